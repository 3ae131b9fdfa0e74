#pragma once
#include "quern_lookup.h"

// The function of each tier, so that each file's definition is checked against the table's type.
#define QUERN_KERNEL(needed, name, run) void run(const uint8_t *x, size_t count, const uint8_t *table, uint8_t *y);
#include "kernels.def"
#undef QUERN_KERNEL
