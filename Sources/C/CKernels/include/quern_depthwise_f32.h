#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Depthwise float convolution: each channel with its own taps.
//
//   acc = bias[c]; for taps t in order, where offsets[r * taps + t] >= 0: acc = fma(x[offset + c], weight[t][c], acc)
//   y[r][c] = relu ? max(acc, 0) : acc
//
// A negative offset is a tap outside the map, where the padding is zero. One rounding a step and the same order in every
// tier, so all give the same bits.

typedef struct {
  const float *input;
  const int32_t *offsets; // [rows][taps], in elements
  size_t rows, taps, channels;
  // Where neighbouring outputs read the same columns: rows are whole lines of `line` outputs, taps whole lines of
  // `kernel_width`, and a tap of an output is the tap `step` further right, if that is in the same line of the kernel, of
  // the output before. A line of 0: not known.
  size_t line, kernel_width, step;
  const float *weights;   // [taps][channels]
  const float *bias;      // [channels]
  int relu;
  float *output;          // [rows], stride in elements
  size_t output_stride;
} quern_depthwise_f32_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*run)(const quern_depthwise_f32_args *);
} quern_depthwise_f32_kernel;

extern const quern_depthwise_f32_kernel *const quern_depthwise_f32_kernels;
extern const size_t quern_depthwise_f32_kernel_count;
