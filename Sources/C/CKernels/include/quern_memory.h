#pragma once
#include <stddef.h>

// Makes the C library return large blocks to the system as soon as they are freed, and keep smaller ones, of the size
// of a layer's activations or moments, for the next layer: the kernel takes a microsecond for each new page. By
// default, glibc raises its threshold to the size of the weights that are freed, and then keeps them. Call it once,
// before threads start.
void quern_return_freed_memory(void);

// Makes quern_map_pages cut blocks from large mappings, for which the kernel uses large pages where it may. The
// kernel then spends 7 ms less on the 25 MB of ResNet-50's weights. For processes whose blocks are freed together: a
// mapping of 32 MB is kept until the last of its blocks is freed, although pages of freed blocks are returned.
void quern_share_large_pages(void);

// Maps separate pages, which are returned to the system when they are unmapped, for long-lived data allocated among
// short-lived data. All pages are populated at once, for callers that fill them. Returns null if there is not enough
// memory.
void *quern_map_pages(size_t bytes);
void quern_unmap_pages(void *start, size_t bytes);
