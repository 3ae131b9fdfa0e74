#pragma once
#include <stddef.h>

// Makes the C library return large blocks to the system as soon as they are freed, and keep smaller ones, of the size
// of a layer's activations or moments, for the next layer: the kernel takes a microsecond for each new page. By
// default, glibc raises its threshold to the size of the weights that are freed, and then keeps them. Call it once,
// before threads start.
void quern_return_freed_memory(void);

// Maps separate pages, which are returned to the system when they are unmapped, for long-lived data allocated among
// short-lived data. All pages are populated at once, for callers that fill them. Returns null if there is not enough
// memory.
void *quern_map_pages(size_t bytes);
void quern_unmap_pages(void *start, size_t bytes);
