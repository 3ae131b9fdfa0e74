#define _GNU_SOURCE
#include "CProcess.h"

#include "CFiles.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int argument_count;
static char **arguments;

// glibc calls constructors with the arguments of main.
__attribute__((constructor)) static void remember_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

int quern_argument_count(void) { return argument_count; }

const char *quern_argument(int index) { return index >= 0 && index < argument_count ? arguments[index] : ""; }

void quern_prepare_process(void) {
  for (int descriptor = 0; descriptor < 3; descriptor++) {
    if (fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is this one, as those below it are open. The direction is the wrong one on purpose.
    int opened = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
    if (opened < 0) open("/", O_RDONLY | O_DIRECTORY);
  }
  signal(SIGXFSZ, SIG_IGN);
}

// MARK: - Lack of memory

static int memory_status;
static void (*memory_clean_up)(void);
// The size of the last allocation that failed in this thread; 0 where none has.
static _Thread_local volatile size_t failed_size;

static void aborted(int number) {
  if (failed_size == 0) {
    // Another defect: returning ends the process by the signal.
    signal(number, SIG_DFL);
    return;
  }
  // Memory is lacking in several threads at the same time; one of them says so.
  static atomic_flag is_ending = ATOMIC_FLAG_INIT;
  static _Thread_local volatile int ends_process;
  if (ends_process) _exit(memory_status);
  while (atomic_flag_test_and_set(&is_ending)) pause();
  ends_process = 1;
  char digits[24];
  size_t position = sizeof digits;
  digits[--position] = 0;
  for (size_t rest = failed_size; rest > 0; rest /= 10) digits[--position] = (char)('0' + rest % 10);
  quern_write_error("quern: error: not enough memory: ");
  quern_write_error(digits + position);
  quern_write_error(" bytes could not be allocated; use fewer threads, smaller images, or a machine with more memory\n");
  if (memory_clean_up) memory_clean_up();
  _exit(memory_status);
}

// The size in bytes below which a stack may end within a command. Threads have stacks of the limit, too.
enum { LEAST_STACK = 512 << 10 };

void quern_explain_lack_of_memory(int status, void (*clean_up)(void)) {
  memory_status = status;
  memory_clean_up = clean_up;
  struct rlimit stack;
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < LEAST_STACK) {
    quern_write_error("quern: error: not enough memory: the limit of the stack is below 512 KB; raise it (ulimit -s 8192)\n");
    _exit(status);
  }
  // Swift ends a process that lacks memory by one of the others, or reads address 0, as its message takes memory.
  static const int numbers[] = {SIGABRT, SIGILL, SIGSEGV, SIGTRAP};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction action = {.sa_handler = aborted};
    sigemptyset(&action.sa_mask);
    sigaction(numbers[i], &action, NULL);
  }
}

// The functions of the C library, which note that they failed. `AddressSanitizer` replaces them, too.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer) && !__has_feature(memory_sanitizer)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  void *result = __libc_malloc(size);
  if (!result) failed_size = size ? size : 1;
  return result;
}

void *calloc(size_t count, size_t size) {
  void *result = __libc_calloc(count, size);
  if (!result) failed_size = count && size ? count * size : 1;
  return result;
}

void *realloc(void *memory, size_t size) {
  void *result = __libc_realloc(memory, size);
  if (!result && size > 0) failed_size = size;
  return result;
}

void *aligned_alloc(size_t alignment, size_t size) {
  void *result = __libc_memalign(alignment, size);
  if (!result) failed_size = size ? size : 1;
  return result;
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
  int error = errno;
  void *memory = __libc_memalign(alignment, size);
  errno = error;
  if (!memory) {
    failed_size = size ? size : 1;
    return ENOMEM;
  }
  *result = memory;
  return 0;
}
#endif
