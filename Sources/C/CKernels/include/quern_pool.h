#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Pooling kernels over indirection: row r reads taps[r] of the offsets [rows][taps]; a negative offset is a tap outside the map.

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  // y[r][c] = max over taps inside the map of x[offset + c]; at least one tap is inside
  void (*max_u8)(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, uint8_t *y, size_t y_stride);
  // the same for floats; a NaN in any tap gives a NaN, and of equal values (-0, +0) the first tap's stays
  void (*max_f32)(const float *x, const int32_t *offsets /* in elements */, size_t rows, size_t taps, size_t channels, float *y, size_t y_stride);
  // sums[c] += table[x[i * stride + c]] over i < count: GeM's power sums of a uint8 map through a 256-entry table. One
  // float addition for each i, in order.
  void (*table_sum)(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table, float *sums);
  // sums[c] += x[i * stride + c] over i < count, exactly: averages of a uint8 map
  void (*sum_u8)(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums);
  // sums[c] += (double)x[i * stride + c] over i < count, one addition for each i, in order: averages of a float map
  void (*sum_f32)(const float *x, size_t count, size_t stride, size_t channels, double *sums);
  // The mean of each window, of what takes part: taps inside the map and, with the value zero, taps of QUERN_TAP_ZERO.
  //   y[r][c] = rint((float)(sum of x[offset + c] + zero_point * number of zero taps) / (float)number of taps that take part)
  // ties to even; the output has the input's scale and zero point. Windows with no taps are zero. taps <= 65536, so that
  // sums are exact in float32.
  void (*average_u8)(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, int32_t zero_point,
                     uint8_t *y, size_t y_stride);
  // the same for floats: one addition a tap, in order, and one division
  void (*average_f32)(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                      size_t y_stride);
} quern_pool_kernel;

// Offsets that are no pixel: a tap that takes no part, and one that takes part as zero.
enum { QUERN_TAP_NONE = -1, QUERN_TAP_ZERO = -2 };

extern const quern_pool_kernel *const quern_pool_kernels;
extern const size_t quern_pool_kernel_count;
