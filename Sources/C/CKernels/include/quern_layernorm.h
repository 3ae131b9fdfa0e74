#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Layer normalisation of each row of `channels` values, without gaps (formats/package.md, "Layer normalisation").
//
// Levels: v = q, or 256 q + remainder byte where `input_remainder` is not null. sum and squares are exact;
//   mean = (float)((double)sum / channels)
//   variance = (double)(channels * squares - sum * sum) / ((double)channels * channels) * step * step
//   factor = (float)(step / sqrt(variance + epsilon))
//   real = (((float)v - mean) * factor) * weight[c] + bias[c]
// The zero point of the input has no effect, since the mean is subtracted. `step` is what one unit of v stands for.
//
// Float32: sums in double precision. Term c is added to partial sum c modulo 8, and the partial sums s are added as
// ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)):
//   mean = sum / channels; variance = sum of (x - mean)^2 / channels; factor = 1 / sqrt(variance + epsilon)
//   real = ((x - (float)mean) * (float)factor) * weight[c] + bias[c]
//
// Results are stored as by QUERN_STORE_U8 of quern_igemm.h with bounds of 0 and 255, or as float32 where `output_f32`
// is not null. The caller divides weight and bias by the output's scale, and ensures that channels <= 32768.
typedef struct {
  const uint8_t *input;
  const uint8_t *input_remainder;
  const float *reals; // read instead of `input` where not null
  size_t rows, channels;
  double step, epsilon;
  const float *weight, *bias; // [channels]
  int32_t output_zero_point;
  uint8_t *output;
  uint8_t *output_remainder; // or null
  float *output_f32;
} quern_layernorm_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*run)(const quern_layernorm_args *);
} quern_layernorm_kernel;

extern const quern_layernorm_kernel *const quern_layernorm_kernels;
extern const size_t quern_layernorm_kernel_count;
