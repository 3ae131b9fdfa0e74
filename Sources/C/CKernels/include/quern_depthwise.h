#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Depthwise int8 convolution: each channel has its own taps.
//
//   acc[r][c] = bias[c] + sum over taps t of  input[offsets[r * taps + t] + c] * weight[t][c]
//
// Epilogue, bias and padding are those of quern_igemm.h. Instead of a residual there is `addend`: floats that are added
// to the real value. Where `output_f32` is not null, the real values are stored there. Kernels may read up to 63 bytes
// past a tap's channels, so input buffers must be readable for 64 bytes past their end.
//
// Packed weights: blocks of 16 channels; in a block, for each group of 4 taps (the last one padded with zeros), 16
// channels x 4 taps. A missing tap of the last group reads the row's last offset again, with weight 0.

typedef struct {
  const uint8_t *input;
  const int32_t *offsets;  // [rows][taps]
  size_t rows;
  size_t taps;
  size_t channels;
  const int8_t *weights;   // packed
  const int32_t *bias;     // [channels rounded up to 16]
  const float *multiplier; // [channels rounded up to 16]
  int32_t output_zero_point, output_min, output_max;
  uint8_t *output;
  float *output_f32;       // or null
  const float *addend;     // [rows] of `channels`, or null; with the output's stride; may be the same as output_f32
  size_t output_stride;    // in elements
} quern_depthwise_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*run)(const quern_depthwise_args *);
} quern_depthwise_kernel;

extern const quern_depthwise_kernel *const quern_depthwise_kernels;
extern const size_t quern_depthwise_kernel_count;

// The number of bytes of the packed form, and packing.
size_t quern_depthwise_packed_size(size_t channels, size_t taps);
void quern_depthwise_pack(const int8_t *weights /* [channels][taps] */, size_t channels, size_t taps, int8_t *packed);
