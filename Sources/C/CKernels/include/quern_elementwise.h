#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_clamp.h"
#include "quern_cpu.h"

// Elementwise kernels. The arithmetic is that of quern_igemm.h: single float32 operations, ties to even, no fused
// multiply-add; so are max, min, NaN and the ranges of zero points and bounds.

// A map times a factor for each channel, plus a residual: rows of `channels` without gaps,
//   real = (float)(map - map_zero_point) * factors[c]
//     where reals is not null: reals * factors[c]; map is not read then
//     with map_remainder: (float)(256 * (map - map_zero_point) + map_remainder - 128) * (factors[c] / 256)
//   if residual: real = real + (float)(residual - residual_zero_point) * residual_multiplier
//     with residual_remainder: as in quern_igemm.h
// stored to `output`, and to `output_remainder` where that is not null, as by QUERN_STORE_U8 of quern_igemm.h;
// or, where `output_f32` is not null, stored there, clamped as in quern_clamp.h.
typedef struct {
  const uint8_t *map;
  const uint8_t *map_remainder;
  const float *reals;
  int32_t map_zero_point;
  const float *factors;
  const uint8_t *residual;
  const uint8_t *residual_remainder;
  int32_t residual_zero_point;
  float residual_multiplier;
  size_t rows, channels;
  int32_t output_zero_point, output_min, output_max;
  uint8_t *output;
  uint8_t *output_remainder;
  float *output_f32;
  quern_clamp clamp;
} quern_scale_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  // q = clamp(rint(clamp(x / scale, +-65536)) + zero_point, 0, 255); NaN gives 0.
  void (*quantize)(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q);
  // x = scale * (float)(q - zero_point).
  void (*dequantize)(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x);
  // q = clamp(rint((a - za) * ma + (b - zb) * mb) + zero_point, output_min, output_max), the real value first clamped
  // to +-65536.
  void (*add)(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
              int32_t zero_point, int32_t output_min, int32_t output_max, uint8_t *q);
  // q = clamp(rint(((a - za) * factor) * (b - zb)) + zero_point, 0, 255), the real value first clamped to +-65536.
  void (*multiply)(const uint8_t *a, int32_t za, float factor, const uint8_t *b, int32_t zb, size_t count,
                   int32_t zero_point, uint8_t *q);
  // Rows of `channels` without gaps: q = clamp(rint((a - za) * (a > za ? positive : negative[c])) + zero_point, 0,
  // 255), the real value first clamped to +-65536.
  void (*prelu)(const uint8_t *a, int32_t za, float positive, const float *negative, size_t channels, size_t rows,
                int32_t zero_point, uint8_t *q);
  // q = clamp(rint((a - za) * ma) + zero_point, output_min, 255): the same values at another scale.
  void (*requantize)(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point, int32_t output_min,
                     uint8_t *q);
  void (*scale)(const quern_scale_args *);
} quern_elementwise_kernel;

extern const quern_elementwise_kernel *const quern_elementwise_kernels;
extern const size_t quern_elementwise_kernel_count;
