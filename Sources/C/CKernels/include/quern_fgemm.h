#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_clamp.h"
#include "quern_cpu.h"

// Indirect float32 matrix product: the kernel of all dense and grouped float32 convolutions and float32 linear layers.
//
// The products of an output, over taps t in order and in a tap over elements k < tap_elements in order, are split into
// blocks of 64; the last block may be shorter:
//
//   total = bias[n]
//   for blocks in order:
//     sum = 0
//     for products in order: sum = fma(input[offsets[r * taps + t] + k], weight[n][t][k], sum)
//     total = total + sum
//   if residual: total = total + residual[r][n]
//   output[r][n] = clamped(total), as in quern_clamp.h
//
// Every step is one float32 operation rounded once, ties to even, and the order is part of the definition, so that all
// tiers give the same bits (except for NaN payloads) on every machine. Blocks keep the error of long sums small: it
// grows with the length of a block plus the number of blocks rather than with their product (Blanchard, Higham, Mary,
// "A Class of Fast and Accurate Summation Algorithms", SIAM J. Sci. Comput. 42, 2020). max(a, 0) is a > 0 ? a : 0: NaN
// gives 0.
//
// Packed weights: blocks of 16 output channels; in a block, for each tap, for each element k, 16 channels. Channels
// past output_channels are zero. A block thus has taps * tap_elements * 16 floats. `bias` is also padded to a multiple
// of 16 channels.
//
// Nothing is read past the end of a tap. Outputs are never written, and residuals never read, past `output_channels`.

enum { QUERN_FGEMM_BLOCK = 64 };

typedef struct {
  const float *input;
  // [rows][taps] in elements from input, negative for a tap of zeros; null: one tap, row r at r * input_stride
  const int32_t *offsets;
  const float *zeros;     // tap_elements zeros, for negative offsets
  size_t input_stride;    // elements between rows where offsets is null
  size_t rows;
  size_t taps;
  size_t tap_elements;
  const float *weights;   // packed, from the first channel of this call (a block boundary)
  const float *bias;      // [output_channels rounded up to 16]
  const float *next_weights; // those of the next call, as many, to be prefetched; or null
  size_t output_channels;
  const float *residual;  // [rows] of output_channels, or null
  size_t residual_stride; // in elements
  quern_clamp clamp;
  float *output;          // [rows] of output_channels; does not overlap input or residual
  size_t output_stride;   // in elements
  int stream;             // whether the output is too large for the caches, so that it may be written past them
} quern_fgemm_args;

typedef void (*quern_fgemm_function)(const quern_fgemm_args *);

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  quern_fgemm_function run;
} quern_fgemm_kernel;

// The table, best first, scalar last.
extern const quern_fgemm_kernel *const quern_fgemm_kernels;
extern const size_t quern_fgemm_kernel_count;

// The number of floats of the packed form, and packing from [output_channels][taps][tap_elements].
size_t quern_fgemm_packed_count(size_t output_channels, size_t taps, size_t tap_elements);
void quern_fgemm_pack(const float *weights, size_t output_channels, size_t taps, size_t tap_elements, float *packed);
