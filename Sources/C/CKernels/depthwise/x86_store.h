#pragma once
#include <string.h>

#include "../requantise/x86_avx2.h"
#include "quern_depthwise.h"

// The epilogue of the 256-bit tiers.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// Stores `count` of 16 channels of a row, beginning with `channel`, given their real values without the addend.
static inline __attribute__((always_inline)) void quern_depthwise_store_256(const quern_depthwise_args *a,
                                                                            const quern_bounds_256 *bounds, __m256 low,
                                                                            __m256 high, size_t row, size_t channel,
                                                                            size_t count) {
  const size_t at = row * a->output_stride + channel;
  float floats[16];
  if (a->addend) {
    memcpy(floats, a->addend + at, count * sizeof(float));
    low = _mm256_add_ps(low, _mm256_loadu_ps(floats));
    high = _mm256_add_ps(high, _mm256_loadu_ps(floats + 8));
  }
  if (a->output_f32) {
    _mm256_storeu_ps(floats, low);
    _mm256_storeu_ps(floats + 8, high);
    memcpy(a->output_f32 + at, floats, count * sizeof(float));
  } else {
    quern_store_bytes_128(a->output + at, quern_requantise_256(low, high, bounds), count);
  }
}

#pragma clang attribute pop
