#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Elementwise kernels. Arithmetic as in quern_igemm.h: single float32 operations, ties to even, no fused multiply-add;
// max, min, NaN and the ranges of zero points and bounds, too.

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  // q = clamp(rint(clamp(x / scale, +-65536)) + zero_point, 0, 255); NaN gives 0.
  void (*quantize)(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q);
  // x = scale * (float)(q - zero_point)
  void (*dequantize)(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x);
  // q = clamp(rint((a - za) * ma + (b - zb) * mb) + zero_point, output_min, 255), the real value clamped to +-65536 first
  void (*add)(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
              int32_t zero_point, int32_t output_min, uint8_t *q);
  // q = clamp(rint((a - za) * ma) + zero_point, output_min, 255): another scale for the same values
  void (*requantize)(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point, int32_t output_min, uint8_t *q);
  // x = x + bias[c] (+ residual), then max(x, 0) if relu; rows of `channels`; residual may be null; in place
  void (*bias_activation)(float *x, size_t rows, size_t channels, size_t stride, const float *bias, const float *residual,
                          size_t residual_stride, int relu);
  // A scale for each channel: rows of `channels` without gaps,
  //   real = (float)(a - za) * factors[c], or x * factors[c] where x is not null (a is then not read)
  //   if residual: real = real + (float)(residual - zr) * mr
  // q = clamp(rint(real) + zero_point, output_min, 255), the real value clamped to +-65536 first; residual may be null
  void (*scale_u8)(const uint8_t *a, int32_t za, const float *x, const float *factors, const uint8_t *residual,
                   int32_t zr, float mr, size_t rows, size_t channels, int32_t zero_point, int32_t output_min, uint8_t *q);
  // the same, stored as float, with max(real, 0) if relu
  void (*scale_f32)(const uint8_t *a, int32_t za, const float *x, const float *factors, const uint8_t *residual,
                    int32_t zr, float mr, size_t rows, size_t channels, int relu, float *y);
} quern_elementwise_kernel;

extern const quern_elementwise_kernel *const quern_elementwise_kernels;
extern const size_t quern_elementwise_kernel_count;
