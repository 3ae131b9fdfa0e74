#pragma once
#include "quern_pool.h"

// The functions of a tier, so that each file's definitions are checked against the table's types.
#define QUERN_POOL_DECLARE(tier) \
  void quern_max_u8_##tier(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, \
                           uint8_t *y, size_t y_stride); \
  void quern_max_f32_##tier(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y, \
                            size_t y_stride); \
  void quern_table_sum_##tier(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table, \
                              float *sums); \
  void quern_sum_u8_##tier(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums); \
  void quern_sum_f32_##tier(const float *x, size_t count, size_t stride, size_t channels, double *sums); \
  void quern_average_u8_##tier(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, \
                               int32_t zero_point, uint8_t *y, size_t y_stride); \
  void quern_average_f32_##tier(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, \
                                float *y, size_t y_stride);

// The number of taps of a window that count, and how many of them are zeros.
typedef struct {
  size_t count, zeros;
} quern_taps;

static inline quern_taps quern_count_taps(const int32_t *offsets, size_t taps) {
  quern_taps found = {0, 0};
  for (size_t t = 0; t < taps; ++t) {
    found.count += offsets[t] != QUERN_TAP_NONE;
    found.zeros += offsets[t] == QUERN_TAP_ZERO;
  }
  // A window without taps that count is treated as one zero.
  return found.count ? found : (quern_taps){1, 1};
}

#define QUERN_KERNEL(needed, name, tier) QUERN_POOL_DECLARE(tier)
#include "kernels.def"
#undef QUERN_KERNEL
