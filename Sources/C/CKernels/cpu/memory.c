#include "quern_memory.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void quern_return_freed_memory(void) {
#if defined(__GLIBC__)
  // A conversion of SENet154 takes 16 % more time with an mmap threshold of 256 KB. With a trim threshold of 32 MB, it
  // takes 3 % less time, and 50 MB more memory.
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

// A mapping that blocks are cut from, one after another. It is unmapped with the last of its blocks.
typedef struct region {
  struct region *next;
  char *start;
  size_t size, used, blocks;
} region;

enum { ALIGNMENT = 64 };
static const size_t large_page = (size_t)2 << 20, region_size = (size_t)32 << 20;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static region *regions; // the newest first; only the newest has room
static int shares_pages;

static size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

static void acquire(void) { pthread_mutex_lock(&lock); }
static void release(void) { pthread_mutex_unlock(&lock); }

void quern_share_large_pages(void) {
#if defined(MADV_HUGEPAGE)
  acquire();
  const int is_first = !shares_pages;
  shares_pages = 1;
  release();
  // A forked process does not have the thread that might hold the lock.
  if (is_first) pthread_atfork(acquire, release, release);
#endif
}

static void *map(size_t bytes, int flags) {
  void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return start == MAP_FAILED ? NULL : start;
}

#if defined(MADV_HUGEPAGE)
static region *new_region(size_t bytes) {
  const size_t size = round_up(bytes > region_size ? bytes : region_size, large_page);
  region *made = malloc(sizeof *made);
  char *start = made == NULL ? NULL : map(size + large_page, 0);
  if (start == NULL) {
    free(made);
    return NULL;
  }
  // Large pages start at multiples of their size.
  const size_t before = (large_page - (uintptr_t)start % large_page) % large_page;
  if (before > 0) munmap(start, before);
  munmap(start + before + size, large_page - before);
  madvise(start + before, size, MADV_HUGEPAGE);
  *made = (region){.next = regions, .start = start + before, .size = size};
  regions = made;
  return made;
}

static void *shared_pages(size_t bytes) {
  const size_t rounded = round_up(bytes, ALIGNMENT);
  acquire();
  region *region = regions;
  if (shares_pages && (region == NULL || region->size - region->used < rounded)) region = new_region(rounded);
  char *block = shares_pages && region != NULL ? region->start + region->used : NULL;
  if (block != NULL) {
    region->used += rounded;
    region->blocks++;
  }
  release();
#if defined(MADV_POPULATE_WRITE)
  if (block != NULL) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)block % page;
    madvise(block - before, before + rounded, MADV_POPULATE_WRITE); // which is only faster
  }
#endif
  return block;
}
#endif

// Whether the block was cut from a shared mapping.
static int release_shared_pages(char *block, size_t bytes) {
  acquire();
  region **link = &regions;
  while (*link != NULL && !(block >= (*link)->start && block < (*link)->start + (*link)->size)) link = &(*link)->next;
  region *found = *link;
  if (found != NULL && --found->blocks == 0) {
    *link = found->next;
    munmap(found->start, found->size);
    free(found);
  } else if (found != NULL) {
    // The pages that are not shared with other blocks.
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = round_up((uintptr_t)block, page), end = ((uintptr_t)block + bytes) / page * page;
    if (first < end) madvise((void *)first, end - first, MADV_DONTNEED);
  }
  release();
  return found != NULL;
}

void *quern_map_pages(size_t bytes) {
#if defined(MADV_HUGEPAGE)
  void *block = shared_pages(bytes);
  if (block != NULL) return block;
#endif
#if defined(MAP_POPULATE)
  return map(bytes, MAP_POPULATE);
#else
  return map(bytes, 0);
#endif
}

void quern_unmap_pages(void *start, size_t bytes) {
  if (!release_shared_pages(start, bytes)) munmap(start, bytes);
}
