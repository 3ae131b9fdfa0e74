#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_clamp.h"
#include "quern_cpu.h"

// Depthwise float32 convolution: each channel has its own taps.
//
//   acc = bias[c]; for taps t in order, where offsets[r * taps + t] >= 0: acc = fma(x[offset + c], weight[t][c], acc)
//   y[r][c] = clamped(acc), as in quern_clamp.h
//
// A negative offset is a tap outside the map, where the padding is zero. Each step is rounded once, in the same order
// in every tier, so that all tiers give the same bits.

typedef struct {
  const float *input;
  const int32_t *offsets; // [rows][taps], in elements
  size_t rows, taps, channels;
  // Which columns neighbouring outputs share: rows are whole lines of `line` outputs, taps whole lines of
  // `kernel_width`, and tap t of an output reads the same pixel as tap t + step of the previous output, if both taps
  // are in the same line of the kernel. 0 for `line`: unknown.
  size_t line, kernel_width, step;
  const float *weights;   // [taps][channels]
  const float *bias;      // [channels]
  quern_clamp clamp;
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
