#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Pooling kernels with indirection: row r reads the offsets [r] of [rows][taps]; a negative offset is a tap outside the
// map.

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  // y[r][c] = max over taps inside the map of x[offset + c]. At least one tap is inside.
  void (*max_u8)(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, uint8_t *y,
                 size_t y_stride);
  // The same for floats. A NaN in any tap gives a NaN; of equal values (-0, +0), that of the first tap is the result.
  void (*max_f32)(const float *x, const int32_t *offsets /* in elements */, size_t rows, size_t taps, size_t channels,
                  float *y, size_t y_stride);
  // sums[c] += table[x[i * stride + c]] over i < count: GeM's sums of powers of a uint8 map, through a table of 256
  // entries. There is one float32 addition for each i, in order.
  void (*table_sum)(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table, float *sums);
  // sums[c] += x[i * stride + c] over i < count, exactly: for averages of a uint8 map.
  void (*sum_u8)(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums);
  // sums[c] += (double)x[i * stride + c] over i < count, one addition for each i, in order: for averages of a float
  // map.
  void (*sum_f32)(const float *x, size_t count, size_t stride, size_t channels, double *sums);
  // The mean over the taps of each window that count: those inside the map and, with the value zero, QUERN_TAP_ZERO.
  //   y[r][c] = rint((float)(sum of x[offset + c] + zero_point * number of zero taps)
  //                  / (float)number of taps that count)
  // with ties to even. The output has the input's scale and zero point. Windows without taps that count give zero.
  // taps <= 65536, so that sums are exact in float32.
  void (*average_u8)(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, int32_t zero_point,
                     uint8_t *y, size_t y_stride);
  // The same for floats: one addition for each tap, in order, and one division.
  void (*average_f32)(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                      size_t y_stride);
} quern_pool_kernel;

// Offsets that are not pixels: a tap that does not count, and one that counts as zero.
enum { QUERN_TAP_NONE = -1, QUERN_TAP_ZERO = -2 };

extern const quern_pool_kernel *const quern_pool_kernels;
extern const size_t quern_pool_kernel_count;
