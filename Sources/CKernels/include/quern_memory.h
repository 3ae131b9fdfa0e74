#pragma once

// Makes the C library give back large blocks as soon as they are freed, and keep smaller ones, of the size of a layer's
// activations or moments, for the next layer: the kernel takes a microsecond for each fresh page. glibc by itself raises its
// threshold to the size of the weights that are freed, and then keeps them. Call once, before threads start.
void quern_return_freed_memory(void);
