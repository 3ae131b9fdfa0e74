#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Float32 activations times int8 weights with a scale for each output channel: for the classifier, whitening, and
// squeeze-and-excitation.
//
//   acc = 0; for k in 0 ..< inputs, in order: acc = acc + x[k] * weight[n][k]      (binary64; the products are exact)
//   y[n] = (float)fma(acc, scale[n], bias[n])
//
// for each row of x. Every tier keeps this order, so that all give the same bits. Implementations that sum in binary64
// in another order give the same results except for one in millions.
//
// Packed weights: blocks of 16 output channels; in a block, for each k, 16 bytes. Missing channels are zero; scale and
// bias are padded to a multiple of 16.

typedef struct {
  const float *input;   // [rows][inputs]
  size_t rows, inputs, outputs;
  const int8_t *weights;
  const float *scale;
  const float *bias;
  float *output;        // [rows][outputs], stride in floats
  size_t input_stride, output_stride;
} quern_rowlinear_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*run)(const quern_rowlinear_args *);
} quern_rowlinear_kernel;

extern const quern_rowlinear_kernel *const quern_rowlinear_kernels;
extern const size_t quern_rowlinear_kernel_count;

// The number of bytes of the packed form, and packing.
size_t quern_rowlinear_packed_size(size_t outputs, size_t inputs);
void quern_rowlinear_pack(const int8_t *weights /* [outputs][inputs] */, size_t outputs, size_t inputs, int8_t *packed);
