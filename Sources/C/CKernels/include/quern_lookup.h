#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// y[i] = table[x[i]] for a table of 256 bytes, which can be any function of a byte. x and y may be the same.

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*run)(const uint8_t *x, size_t count, const uint8_t *table, uint8_t *y);
} quern_lookup_kernel;

extern const quern_lookup_kernel *const quern_lookup_kernels;
extern const size_t quern_lookup_kernel_count;
