#pragma once
#include "quern_pool.h"

// The functions of a tier, so that each file's definitions are checked against the table's types.
#define QUERN_POOL_DECLARE(tier) \
  void quern_max_u8_##tier(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, \
                           uint8_t *y, size_t y_stride); \
  void quern_max_f32_##tier(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y, \
                            size_t y_stride); \
  void quern_table_sum_##tier(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table, \
                              float *sums);

#define QUERN_KERNEL(needed, name, tier) QUERN_POOL_DECLARE(tier)
#include "kernels.def"
#undef QUERN_KERNEL
