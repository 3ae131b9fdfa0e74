#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Indirect int8 matrix product: the kernel under every dense and grouped convolution and fully connected layer.
//
//   acc[r][n] = bias[n] + sum over taps t, bytes k < tap_bytes of  input[offsets[r * taps + t] + k] * weight[n][t][k]
//
// with uint8 inputs, int8 weights in [-127, 127] and int32 accumulation, which is exact: the caller keeps
// taps * tap_bytes <= 65536. `bias` already holds the layer's bias at the accumulator's scale minus
// input_zero_point * sum of the channel's weights, so that kernels never see the zero point; padding is an offset to
// bytes equal to the zero point.
//
// The epilogue (formats/package.md, "Requantisation"), every step one IEEE float32 operation rounded to nearest even, no
// fused multiply-add:
//   real = (float)acc * multiplier[n]
//   if residual: real = real + (float)(residual[r][n] - residual_zero_point) * residual_multiplier
//     with residual_remainder: real + (float)(256 * (residual[r][n] - residual_zero_point) + remainder[r][n])
//                                     * (residual_multiplier / 256)
//   QUERN_STORE_U8:  v = real; v = min(max(v, -65536), 65536);  q = (int)rint(v) + output_zero_point; clamp q to [output_min, output_max]
//     with output_remainder: d = min(max(real, output_min - output_zero_point), output_max - output_zero_point)
//                            remainder = min((int)rint((d - (float)(q - output_zero_point)) * 256), 127)
//     A remainder is held as remainder + 128: a plane of remainders is a uint8 map with the zero point 128.
//   QUERN_STORE_F32: if relu: real = max(real, 0) ; store
// where max(a, b) is a > b ? a : b and min(a, b) is a < b ? a : b, so that NaN becomes the lower bound. The caller keeps
// 0 <= output_min <= output_max <= 255 and |output_zero_point| <= 32000. Accumulators wrap: an intermediate sum may leave
// int32 as long as the last one does not.
// All tiers give the same bits as the scalar one.
//
// Packed weights: blocks of 16 output channels; in a block, for each tap, for each group of 4 consecutive bytes k
// (the last zero-padded), 16 channels x 4 bytes. Channels beyond output_channels are zero. So a block has
// taps * round_up(tap_bytes, 4) * 16 bytes. `bias` and `multiplier` are padded to a multiple of 16 channels, too.
//
// Reading past a tap's end: kernels may read up to 3 bytes past tap_bytes (they meet zero weights), so input buffers must
// be readable for 64 bytes past their end. Outputs are never written, and residuals never
// read, past `output_channels`.

enum { QUERN_STORE_U8 = 0, QUERN_STORE_F32 = 1 };

typedef struct {
  const uint8_t *input;
  const int32_t *offsets;  // [rows][taps] byte offsets from input; null: one tap, row r at r * input_stride
  size_t input_stride;     // bytes between rows where offsets is null
  size_t rows;
  size_t taps;
  size_t tap_bytes;
  const int8_t *weights;   // packed, from the first channel of this call (a block boundary)
  const int32_t *bias;     // [output_channels rounded up to 16]
  const float *multiplier; // ditto
  size_t output_channels;
  int store;
  int relu;                // float stores only; uint8 stores clamp with output_min
  int32_t output_zero_point, output_min, output_max;
  void *output;            // [rows] of output_channels uint8 or float
  uint8_t *output_remainder; // uint8 stores only: what the rounding leaves over, in 1/256 of the output's steps, plus 128; or null
  size_t output_stride;    // in elements
  const uint8_t *residual; // [rows] of output_channels uint8, or null
  const uint8_t *residual_remainder; // what the rounding to `residual` left over, in 1/256 of its steps, plus 128; or null; same stride
  size_t residual_stride;
  float residual_multiplier;
  int32_t residual_zero_point;
  const float *residual_f32; // [rows] of output_channels float, added as it is (instead of residual), or null; same stride
} quern_igemm_args;

typedef void (*quern_igemm_function)(const quern_igemm_args *);

typedef struct QUERN_SENDABLE {
  const char *name;          // "avx512vnni_6x64"
  uint32_t needed_features;
  quern_igemm_function run;
} quern_igemm_kernel;

// The table, best first, scalar last.
extern const quern_igemm_kernel *const quern_igemm_kernels;
extern const size_t quern_igemm_kernel_count;

// Bytes of the packed form, and packing from [output_channels][taps][tap_bytes].
size_t quern_igemm_packed_size(size_t output_channels, size_t taps, size_t tap_bytes);
// Sums of each output channel's `length` weights, at most 65536; returns the least weight of all, or 0.
int8_t quern_igemm_sums(const int8_t *weights, size_t output_channels, size_t length, int32_t *sums);
void quern_igemm_pack(const int8_t *weights, size_t output_channels, size_t taps, size_t tap_bytes, int8_t *packed);
