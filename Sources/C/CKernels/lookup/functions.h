#pragma once
#include "quern_lookup.h"

// The function of each tier, so that each file's definition is checked against the table's type.
#define QUERN_KERNEL(needed, name, run) void run(const quern_lookup_args *a);
#include "kernels.def"
#undef QUERN_KERNEL

// Looks up `count` values one by one.
static inline void quern_look_up(const uint8_t *x, size_t count, const uint8_t *table, uint8_t *y) {
  for (size_t i = 0; i < count; ++i) y[i] = table[x[i]];
}
