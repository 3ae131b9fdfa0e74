#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Exact counts of float32 values on a fixed logarithmic grid. The bins are the bit patterns truncated to sign, exponent
// and the top 7 bits of the fraction, for magnitudes from 2^-16 to 2^16. So no first pass is needed to find the range,
// bins are no wider than 1/128 of their values, and the counts of parts of the data add up exactly.
//
//   magnitude < 2^-16 (zero and denormals included): bin 0
//   otherwise: 1 + (sign ? 4096 : 0) + min((bits & 0x7fffffff) >> 16, top) - base,  base = bits of 2^-16 >> 16
//
// Magnitudes of 2^16 and more are counted in the last bin of their sign. NaN and infinities are counted in `nonfinite`
// only.
enum { QUERN_HISTOGRAM_BINS = 1 + 2 * 4096 };

typedef struct {
  uint32_t *bins;      // [QUERN_HISTOGRAM_BINS], added to; the caller keeps counts below 2^32
  float minimum, maximum; // of the finite values, updated; initially +inf and -inf; -0 counts as +0
  uint64_t nonfinite;  // added to
} quern_histogram;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*count)(const float *x, size_t count, quern_histogram *histogram);
} quern_histogram_kernel;

extern const quern_histogram_kernel *const quern_histogram_kernels;
extern const size_t quern_histogram_kernel_count;
