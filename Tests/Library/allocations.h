/* Counts allocations of the process, those of libquern included: the dynamic linker finds these functions first. */
#pragma once

#include <stddef.h>

/* Whether allocations are counted; false under sanitizers, which have functions of their own. */
extern const int counts_allocations;
/* The number of allocations so far, by any thread. */
long allocation_count(void);
/* The bytes of all allocations so far, whether freed or not. */
size_t allocated_bytes(void);
