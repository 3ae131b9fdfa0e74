#pragma once
#include <stddef.h>

// Makes the C library give back large blocks as soon as they are freed, and keep smaller ones, of the size of a layer's
// activations or moments, for the next layer: the kernel takes a microsecond for each fresh page. glibc by itself raises its
// threshold to the size of the weights that are freed, and then keeps them. Call once, before threads start.
void quern_return_freed_memory(void);

// Pages of their own, which go back to the system when they are unmapped, for what lives long beside much that does not.
// They are there at once rather than page by page, for a caller who fills them. Null without memory.
void *quern_map_pages(size_t bytes);
void quern_unmap_pages(void *start, size_t bytes);
