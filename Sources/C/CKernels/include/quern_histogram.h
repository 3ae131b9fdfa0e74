#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Exact counts of float values on a fixed logarithmic grid: the bins are the float32 bit patterns cut to sign, exponent
// and the top 7 bits of the fraction, for magnitudes from 2^-16 up to 2^16, so that no first pass is needed to place
// them, bins are at most 1/128 of their value wide, and counts from any split of the data add up exactly.
//
//   magnitude < 2^-16 (zero and denormals included): bin 0
//   otherwise: 1 + (sign ? 4096 : 0) + min((bits & 0x7fffffff) >> 16, top) - base,  base = bits of 2^-16 >> 16
// Magnitudes of 2^16 and more go to the last bin of their sign. NaN and infinities are counted apart, in no bin.
enum { QUERN_HISTOGRAM_BINS = 1 + 2 * 4096 };

typedef struct {
  uint32_t *bins;      // [QUERN_HISTOGRAM_BINS], added to; the caller keeps counts below 2^32
  float minimum, maximum; // of the finite values, updated; start with +inf, -inf; -0 is taken as +0
  uint64_t nonfinite;  // added to
} quern_histogram;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*count)(const float *x, size_t count, quern_histogram *histogram);
} quern_histogram_kernel;

extern const quern_histogram_kernel *const quern_histogram_kernels;
extern const size_t quern_histogram_kernel_count;
