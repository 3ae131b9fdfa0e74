// Makes one call of the C library fail, to see what a program does about it (scripts/test-faults). Loaded by LD_PRELOAD.
//
//   FAULT_CALL     the name of the call, as below
//   FAULT_NUMBER   which of its calls fails, from 1; without it, or with 0, none fails
//   FAULT_CODE     the errno; -1: a read or write of fewer bytes than were asked for; -2: a read as at the end of the file
//   FAULT_COUNTS   a file that gets the number of calls of each name when the process ends
//
// Calls on descriptors 0 to 2 are left alone, and so is what the dynamic linker and the C library do by themselves.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN, READ, PREAD, WRITE, MAP, MEMORY, ALLOCATE, SYNC, RENAME, LINK, CLOSE, TRUNCATE, STATUS, LOOK, LIST, CALLS };
static const char *const names[CALLS] = {"open",  "read",   "pread", "write", "mmap",      "anonymous", "malloc",
                                         "fsync", "rename", "link",  "close", "ftruncate", "fstat",     "stat",
                                         "opendir"};
// Smaller allocations than this do not count.
enum { LARGE = 1 << 16 };

static long counts[CALLS];
static int chosen = -1, code;
static long number;
static int is_ready;
// Calls that a call of this file makes do not count.
static __thread int depth;

__attribute__((constructor)) static void prepare(void) {
  const char *call = getenv("FAULT_CALL"), *which = getenv("FAULT_NUMBER"), *error = getenv("FAULT_CODE");
  for (int index = 0; call && index < CALLS; index++)
    if (strcmp(call, names[index]) == 0) chosen = index;
  number = which ? atol(which) : 0;
  code = error ? atoi(error) : EIO;
  is_ready = 1;
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("FAULT_COUNTS");
  is_ready = 0;
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  for (int index = 0; index < CALLS; index++) fprintf(file, "%s %ld\n", names[index], counts[index]);
  fclose(file);
}

static int fails(int call) {
  if (!is_ready || depth > 0) return 0;
  long count = __atomic_add_fetch(&counts[call], 1, __ATOMIC_RELAXED);
  return call == chosen && count == number;
}

#define NEXT(name) \
  static __typeof__(name) *next; \
  if (!next) { \
    depth++; \
    next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
    depth--; \
  }

#define OPEN_CALL(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (fails(OPEN)) return errno = code, -1; \
    return next(path, flags, mode); \
  }
OPEN_CALL(open)
OPEN_CALL(open64)

#define OPENAT_CALL(name) \
  int name(int folder, const char *path, int flags, ...) { \
    NEXT(name) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (fails(OPEN)) return errno = code, -1; \
    return next(folder, path, flags, mode); \
  }
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

ssize_t read(int descriptor, void *bytes, size_t count) {
  NEXT(read)
  if (descriptor > 2 && fails(READ)) {
    if (code == -1) return next(descriptor, bytes, count > 1 ? count / 2 : count);
    if (code == -2) return 0;
    return errno = code, -1;
  }
  return next(descriptor, bytes, count);
}

#define PREAD_CALL(name, offset_type) \
  ssize_t name(int descriptor, void *bytes, size_t count, offset_type offset) { \
    NEXT(name) \
    if (descriptor > 2 && fails(PREAD)) return code < 0 ? 0 : (errno = code, -1); \
    return next(descriptor, bytes, count, offset); \
  }
PREAD_CALL(pread, off_t)
PREAD_CALL(pread64, off64_t)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  NEXT(write)
  if (descriptor > 2 && fails(WRITE)) {
    if (code == -1) return next(descriptor, bytes, count > 1 ? count / 2 : count);
    return errno = code, -1;
  }
  return next(descriptor, bytes, count);
}

#define MAP_CALL(name, offset_type) \
  void *name(void *address, size_t length, int protection, int flags, int descriptor, offset_type offset) { \
    NEXT(name) \
    if ((descriptor >= 0 || length >= LARGE) && fails(descriptor >= 0 ? MAP : MEMORY)) return errno = code, MAP_FAILED; \
    return next(address, length, protection, flags, descriptor, offset); \
  }
MAP_CALL(mmap, off_t)
MAP_CALL(mmap64, off64_t)

// The tool's own malloc calls these, so that the C library's are the ones to replace.
extern void *__libc_malloc(size_t);
extern void *__libc_memalign(size_t, size_t);

void *__libc_malloc(size_t size) {
  NEXT(__libc_malloc)
  if (size >= LARGE && fails(ALLOCATE)) return errno = ENOMEM, NULL;
  return next(size);
}

void *__libc_memalign(size_t alignment, size_t size) {
  NEXT(__libc_memalign)
  if (size >= LARGE && fails(ALLOCATE)) return errno = ENOMEM, NULL;
  return next(alignment, size);
}

int fsync(int descriptor) {
  NEXT(fsync)
  if (fails(SYNC)) return errno = code, -1;
  return next(descriptor);
}

int rename(const char *from, const char *to) {
  NEXT(rename)
  if (fails(RENAME)) return errno = code, -1;
  return next(from, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  NEXT(renameat2)
  if (fails(RENAME)) return errno = code, -1;
  return next(from_folder, from, to_folder, to, flags);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  NEXT(linkat)
  if (fails(LINK)) return errno = code, -1;
  return next(from_folder, from, to_folder, to, flags);
}

int close(int descriptor) {
  NEXT(close)
  if (descriptor > 2 && fails(CLOSE)) {
    next(descriptor);
    return errno = code, -1;
  }
  return next(descriptor);
}

#define TRUNCATE_CALL(name, size_type) \
  int name(int descriptor, size_type size) { \
    NEXT(name) \
    if (fails(TRUNCATE)) return errno = code, -1; \
    return next(descriptor, size); \
  }
TRUNCATE_CALL(ftruncate, off_t)
TRUNCATE_CALL(ftruncate64, off64_t)

int fstat(int descriptor, struct stat *status) {
  NEXT(fstat)
  if (descriptor > 2 && fails(STATUS)) return errno = code, -1;
  return next(descriptor, status);
}

int fstat64(int descriptor, struct stat64 *status) {
  NEXT(fstat64)
  if (descriptor > 2 && fails(STATUS)) return errno = code, -1;
  return next(descriptor, status);
}

int stat(const char *path, struct stat *status) {
  NEXT(stat)
  if (fails(LOOK)) return errno = code, -1;
  return next(path, status);
}

int stat64(const char *path, struct stat64 *status) {
  NEXT(stat64)
  if (fails(LOOK)) return errno = code, -1;
  return next(path, status);
}

DIR *opendir(const char *path) {
  NEXT(opendir)
  if (fails(LIST)) return errno = code, NULL;
  return next(path);
}
