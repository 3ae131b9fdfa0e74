#include "allocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_long count;
static atomic_size_t bytes;

long allocation_count(void) { return atomic_load(&count); }
size_t allocated_bytes(void) { return atomic_load(&bytes); }

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define __SANITIZE_THREAD__
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
const int counts_allocations = 0;
#else
const int counts_allocations = 1;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t elements, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void note(size_t size) {
  atomic_fetch_add(&count, 1);
  atomic_fetch_add(&bytes, size);
}

void *malloc(size_t size) { return note(size), __libc_malloc(size); }
void *calloc(size_t elements, size_t size) { return note(elements * size), __libc_calloc(elements, size); }
void *realloc(void *memory, size_t size) { return note(size), __libc_realloc(memory, size); }
void *memalign(size_t alignment, size_t size) { return note(size), __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return note(size), __libc_memalign(alignment, size); }
int posix_memalign(void **memory, size_t alignment, size_t size) {
  note(size);
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}
#endif
