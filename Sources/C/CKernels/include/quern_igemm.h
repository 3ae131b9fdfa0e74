#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_clamp.h"
#include "quern_cpu.h"

// Indirect int8 matrix product: the kernel of all dense and grouped int8 convolutions.
//
//   acc[r][n] = bias[n] + sum over taps t, bytes k < tap_bytes of  input[offsets[r * taps + t] + k] * weight[n][t][k]
//
// with uint8 inputs, int8 weights and int32 accumulators; arm_neon.c takes weights in [-127, 127] only. Sums are exact:
// the caller ensures that taps *
// tap_bytes <= 65536. `bias` is the layer's bias at the accumulator's scale minus input_zero_point * sum of the
// channel's weights, so that kernels need not handle the input's zero point. Taps in the padding have the offset of
// bytes that equal the zero point.
//
// The epilogue (formats/package.md, "Requantisation"), where every step is one IEEE float32 operation rounded to
// nearest, ties to even, without fused multiply-add:
//   real = (float)acc * multiplier[n]
//   if remainders: real = real + (float)acc' * remainders.multiplier[n], where acc' is the same sum with the input,
//     offsets and bias of `remainders`
//   if residual: real = real + (float)(residual[r][n] - residual_zero_point) * residual_multiplier
//     with residual_remainder: real + (float)(256 * (residual[r][n] - residual_zero_point) + remainder[r][n])
//                                     * (residual_multiplier / 256)
//   QUERN_STORE_U8:  v = min(max(real, -65536), 65536)
//                    q = (int)rint(v) + output_zero_point, clamped to [output_min, output_max]
//     with output_remainder: d = min(max(real, output_min - output_zero_point), output_max - output_zero_point)
//                            remainder = min((int)rint((d - (float)(q - output_zero_point)) * 256), 127)
//     A remainder is stored as remainder + 128: a plane of remainders is a uint8 map with the zero point 128.
//   QUERN_STORE_F32: real = clamped(real), as in quern_clamp.h; store
// where max(a, b) is a > b ? a : b and min(a, b) is a < b ? a : b, so that NaN becomes the lower bound. The caller
// ensures that 0 <= output_min <= output_max <= 255 and |output_zero_point| <= 32000. Accumulators wrap: an
// intermediate sum may overflow int32 as long as the final sum does not. All tiers give the same bits as the scalar
// tier.
//
// Packed weights: blocks of 16 output channels; in a block, for each tap, for each group of 4 consecutive bytes k (the
// last one padded with zeros), 16 channels x 4 bytes. Channels past output_channels are zero. A block thus has taps *
// round_up(tap_bytes, 4) * 16 bytes. `bias` and `multiplier` are also padded to a multiple of 16 channels.
//
// Kernels may read up to 3 bytes past the end of a tap (they are multiplied by zero weights), so input buffers must be
// readable for 64 bytes past their end. Outputs are never written, and residuals never read, past `output_channels`.

enum { QUERN_STORE_U8 = 0, QUERN_STORE_F32 = 1 };

// A second plane of the input, multiplied with the same weights: the remainders of 16-bit inputs.
typedef struct {
  const uint8_t *input;    // with the same strides; null: there is no second plane
  const int32_t *offsets;  // as those of the first plane, which has some if this has
  const int32_t *bias;     // [output_channels rounded up to 16]
  const float *multiplier; // [output_channels rounded up to 16]
} quern_igemm_remainders;

typedef struct {
  const uint8_t *input;
  const int32_t *offsets;  // [rows][taps] byte offsets from input; null: one tap, row r at r * input_stride
  size_t input_stride;     // bytes between rows where offsets is null
  size_t rows;
  size_t taps;
  size_t tap_bytes;
  const int8_t *weights;   // packed, from the first channel of this call (a block boundary)
  const int32_t *bias;     // [output_channels rounded up to 16]
  const float *multiplier; // [output_channels rounded up to 16]
  quern_igemm_remainders remainders;
  size_t output_channels;
  int store;
  quern_clamp clamp; // float stores only; uint8 stores clamp with output_min and output_max
  int32_t output_zero_point, output_min, output_max;
  void *output;            // [rows] of output_channels uint8 or float
  uint8_t *output_remainder; // uint8 stores only: remainders in 1/256 of the output's step, plus 128; or null
  size_t output_stride;    // in elements
  const uint8_t *residual; // [rows] of output_channels uint8, or null
  const uint8_t *residual_remainder; // remainders of `residual` in 1/256 of its step, plus 128; or null; same stride
  size_t residual_stride;
  float residual_multiplier;
  int32_t residual_zero_point;
  const float *residual_f32; // [rows] of output_channels float, added instead of `residual`; or null; same stride
} quern_igemm_args;

typedef void (*quern_igemm_function)(const quern_igemm_args *);

typedef struct QUERN_SENDABLE {
  const char *name;          // such as "avx512vnni"
  uint32_t needed_features;
  quern_igemm_function run;
} quern_igemm_kernel;

// The table, best first, scalar last.
extern const quern_igemm_kernel *const quern_igemm_kernels;
extern const size_t quern_igemm_kernel_count;

// Computes the sum of the `length` weights, at most 65536, of each output channel. Returns the minimum of 0 and all
// weights.
int8_t quern_igemm_sums(const int8_t *weights, size_t output_channels, size_t length, int32_t *sums);
// The number of bytes of the packed form, and packing from [output_channels][taps][tap_bytes].
size_t quern_igemm_packed_size(size_t output_channels, size_t taps, size_t tap_bytes);
void quern_igemm_pack(const int8_t *weights, size_t output_channels, size_t taps, size_t tap_bytes, int8_t *packed);
