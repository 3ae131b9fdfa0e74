#pragma once
#include <string.h>
#include "../clamp/clamp.h"

#include "../requantise/x86_avx2.h"
#include "quern_igemm.h"
#include "plane.h"

// The epilogue of the 256-bit tiers.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 8 uint8 levels minus the zero point, times the multiplier; with their remainders where the residual has them.
static inline __attribute__((always_inline)) __m256 quern_scaled_residual_256(__m128i bytes, __m128i remainders,
                                                                              const quern_igemm_args *a) {
  __m256i level = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(a->residual_zero_point));
  float multiplier = a->residual_multiplier;
  if (a->residual_remainder) {
    const __m256i remainder = _mm256_sub_epi32(_mm256_cvtepu8_epi32(remainders), _mm256_set1_epi32(128));
    level = _mm256_add_epi32(_mm256_slli_epi32(level, 8), remainder);
    multiplier = multiplier / 256.0f;
  }
  return _mm256_mul_ps(_mm256_cvtepi32_ps(level), _mm256_set1_ps(multiplier));
}

static inline __attribute__((always_inline)) void quern_add_residual_256(const quern_igemm_args *a, size_t row,
                                                                         size_t channel, size_t count, __m256 real[2]) {
  if (a->residual) {
    const size_t at = row * a->residual_stride + channel;
    const __m128i bytes = quern_load_bytes_128(a->residual + at, count);
    const __m128i remainders = a->residual_remainder ? quern_load_bytes_128(a->residual_remainder + at, count) : bytes;
    const __m128i high_bytes = _mm_unpackhi_epi64(bytes, bytes);
    const __m128i high_remainders = _mm_unpackhi_epi64(remainders, remainders);
    real[0] = _mm256_add_ps(real[0], quern_scaled_residual_256(bytes, remainders, a));
    real[1] = _mm256_add_ps(real[1], quern_scaled_residual_256(high_bytes, high_remainders, a));
  } else if (a->residual_f32) {
    float floats[16] = {0};
    memcpy(floats, a->residual_f32 + row * a->residual_stride + channel, count * sizeof(float));
    real[0] = _mm256_add_ps(real[0], _mm256_loadu_ps(floats));
    real[1] = _mm256_add_ps(real[1], _mm256_loadu_ps(floats + 8));
  }
}

// Computes the reals of 16 sums of the plane of remainders.
static inline __attribute__((always_inline)) void quern_igemm_part_256(const quern_igemm_args *a, __m256i low,
                                                                       __m256i high, size_t channel, float part[16]) {
  const float *multiplier = a->remainders.multiplier + channel;
  _mm256_storeu_ps(part, _mm256_mul_ps(_mm256_cvtepi32_ps(low), _mm256_loadu_ps(multiplier)));
  _mm256_storeu_ps(part + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(high), _mm256_loadu_ps(multiplier + 8)));
}

// Stores `count` channels of a row, beginning with `channel`; `low` and `high` are the sums of 16 channels, with their
// bias, and `part` the reals of the remainders' sums, where there are any.
static inline __attribute__((always_inline)) void quern_igemm_store_256(const quern_igemm_args *a,
                                                                        const quern_bounds_256 *bounds, __m256i low,
                                                                        __m256i high, const float part[16], size_t row,
                                                                        size_t channel, size_t count) {
  const float *multiplier = a->multiplier + channel;
  __m256 real[2] = {_mm256_mul_ps(_mm256_cvtepi32_ps(low), _mm256_loadu_ps(multiplier)),
                    _mm256_mul_ps(_mm256_cvtepi32_ps(high), _mm256_loadu_ps(multiplier + 8))};
  if (a->remainders.input) {
    real[0] = _mm256_add_ps(real[0], _mm256_loadu_ps(part));
    real[1] = _mm256_add_ps(real[1], _mm256_loadu_ps(part + 8));
  }
  quern_add_residual_256(a, row, channel, count, real);
  const size_t at = row * a->output_stride + channel;
  if (a->store == QUERN_STORE_U8) {
    quern_store_bytes_128((uint8_t *)a->output + at, quern_requantise_256(real[0], real[1], bounds), count);
    if (a->output_remainder) {
      quern_store_bytes_128(a->output_remainder + at, quern_remainder_256(real[0], real[1], bounds), count);
    }
  } else {
    float *y = (float *)a->output + at, floats[16];
    float *to = count == 16 ? y : floats;
    _mm256_storeu_ps(to, quern_clamped_256(real[0], &a->clamp));
    _mm256_storeu_ps(to + 8, quern_clamped_256(real[1], &a->clamp));
    if (count < 16) memcpy(y, floats, count * sizeof(float));
  }
}

#pragma clang attribute pop
