#pragma once
#include <immintrin.h>
#include <stdint.h>

#include "partial.h"

// requantise/scalar.h, 16 values at a time. x86_avx512.h explains why one clamp is enough.

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

typedef struct {
  __m256 low, high;   // bounds of the real value
  __m256i zero_point; // int16
} quern_bounds_256;

static inline __attribute__((always_inline)) quern_bounds_256 quern_bounds_256_make(int32_t zero_point, int32_t output_min,
                                                                                    int32_t output_max) {
  return (quern_bounds_256){_mm256_set1_ps((float)(output_min - zero_point)), _mm256_set1_ps((float)(output_max - zero_point)),
                            _mm256_set1_epi16((int16_t)zero_point)};
}

// The remainders (quern_remainder) of two vectors of 8 real values, as 16 bytes.
static inline __attribute__((always_inline)) __m128i quern_remainder_256(__m256 a, __m256 b, const quern_bounds_256 *bounds) {
  const __m256 unit = _mm256_set1_ps(256.0f);
  const __m256 ca = _mm256_min_ps(_mm256_max_ps(a, bounds->low), bounds->high);
  const __m256 cb = _mm256_min_ps(_mm256_max_ps(b, bounds->low), bounds->high);
  const __m256 ra = _mm256_sub_ps(ca, _mm256_cvtepi32_ps(_mm256_cvtps_epi32(ca)));
  const __m256 rb = _mm256_sub_ps(cb, _mm256_cvtepi32_ps(_mm256_cvtps_epi32(cb)));
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(ra, unit)), _mm256_cvtps_epi32(_mm256_mul_ps(rb, unit))), 0xD8);
  const __m128i signed_bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  return _mm_xor_si128(signed_bytes, _mm_set1_epi8(-128));
}

// Converts two vectors of 8 real values to 16 levels.
static inline __attribute__((always_inline)) __m128i quern_requantise_256(__m256 a, __m256 b, const quern_bounds_256 *bounds) {
  const __m256i qa = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(a, bounds->low), bounds->high));
  const __m256i qb = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(b, bounds->low), bounds->high));
  const __m256i words = _mm256_add_epi16(_mm256_permute4x64_epi64(_mm256_packs_epi32(qa, qb), 0xD8), bounds->zero_point);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// Converts four vectors to 32 levels. Each 128-bit lane of the result has the same lane of the four vectors in turn.
static inline __attribute__((always_inline)) __m256i quern_requantise_lanes_256(const __m256 real[4],
                                                                                const quern_bounds_256 *bounds) {
  __m256i q[4];
  for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(real[i], bounds->low), bounds->high));
  const __m256i low = _mm256_add_epi16(_mm256_packs_epi32(q[0], q[1]), bounds->zero_point);
  const __m256i high = _mm256_add_epi16(_mm256_packs_epi32(q[2], q[3]), bounds->zero_point);
  return _mm256_packus_epi16(low, high);
}

// Loads `count` bytes, followed by zeros up to 16.
static inline __attribute__((always_inline)) __m128i quern_load_bytes_128(const void *from, size_t count) {
  if (count == 16) return _mm_loadu_si128((const __m128i *)from);
  const quern_16_bytes bytes = quern_read_partial(from, count);
  return _mm_set_epi64x((long long)bytes.high, (long long)bytes.low);
}

static inline __attribute__((always_inline)) void quern_store_bytes_128(void *to, __m128i values, size_t count) {
  uint8_t bytes[16];
  _mm_storeu_si128((__m128i *)(count == 16 ? to : bytes), values);
  if (count < 16) quern_write_partial(to, bytes, count);
}

#pragma clang attribute pop
