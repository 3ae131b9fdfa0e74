#pragma once
#include "quern_clamp.h"

// Applies the bounds of quern_clamp.h, to one value and to a vector of each tier.

static inline float quern_clamped(float x, const quern_clamp *clamp) {
  if (!clamp->is_set) return x;
  x = x > clamp->min ? x : clamp->min;
  return x < clamp->max ? x : clamp->max;
}

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

static inline __attribute__((always_inline)) __m256 quern_clamped_256(__m256 x, const quern_clamp *clamp) {
  if (!clamp->is_set) return x;
  return _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(clamp->min)), _mm256_set1_ps(clamp->max));
}

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)

static inline __attribute__((always_inline)) __m512 quern_clamped_512(__m512 x, const quern_clamp *clamp) {
  if (!clamp->is_set) return x;
  return _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(clamp->min)), _mm512_set1_ps(clamp->max));
}

#pragma clang attribute pop
#elif defined(__aarch64__)
#include <arm_neon.h>

static inline __attribute__((always_inline)) float32x4_t quern_clamped_neon(float32x4_t x, const quern_clamp *clamp) {
  if (!clamp->is_set) return x;
  const float32x4_t min = vdupq_n_f32(clamp->min), max = vdupq_n_f32(clamp->max);
  x = vbslq_f32(vcgtq_f32(x, min), x, min);
  return vbslq_f32(vcltq_f32(x, max), x, max);
}
#endif
