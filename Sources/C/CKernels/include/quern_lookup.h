#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// A function of bytes as a table of 256 bytes:
//   output[r * output_stride + i] = table[input[r * input_stride + i]] for r < rows, i < row_bytes
// Input and output may be the same where their strides are equal.

typedef struct {
  const uint8_t *table;
  const uint8_t *input;
  size_t input_stride;  // bytes between rows
  size_t rows;
  size_t row_bytes;
  uint8_t *output;
  size_t output_stride; // bytes between rows
} quern_lookup_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*run)(const quern_lookup_args *);
} quern_lookup_kernel;

extern const quern_lookup_kernel *const quern_lookup_kernels;
extern const size_t quern_lookup_kernel_count;
