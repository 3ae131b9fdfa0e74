#pragma once
#include <immintrin.h>
#include <stdint.h>

// requantise/scalar.h, 16 values at a time.
//
// Clamping the real value to [output_min - zero_point, output_max - zero_point] before rounding gives the same result
// as clamping after it, since rounding is monotone and keeps integers. So one clamp replaces both of the scalar tier.

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

typedef struct {
  __m512 low, high;     // bounds of the real value
  __m512i zero_point;   // int16
  __m128i zero_point_8; // modulo 256
} quern_bounds_512;

static inline __attribute__((always_inline)) quern_bounds_512 quern_bounds_512_make(int32_t zero_point, int32_t output_min,
                                                                                    int32_t output_max) {
  return (quern_bounds_512){_mm512_set1_ps((float)(output_min - zero_point)), _mm512_set1_ps((float)(output_max - zero_point)),
                            _mm512_set1_epi16((int16_t)zero_point), _mm_set1_epi8((char)zero_point)};
}

// Clamps a real value to the output's bounds. For a NaN, vmaxps returns its second operand.
static inline __attribute__((always_inline)) __m512 quern_clamp_512(__m512 real, const quern_bounds_512 *bounds) {
  return _mm512_min_ps(_mm512_max_ps(real, bounds->low), bounds->high);
}

// Rounds to int16, without adding the zero point.
static inline __attribute__((always_inline)) __m512i quern_round_512(__m512 real, const quern_bounds_512 *bounds) {
  return _mm512_cvtps_epi32(quern_clamp_512(real, bounds));
}

// The remainders of that rounding (quern_remainder), as 16 bytes.
static inline __attribute__((always_inline)) __m128i quern_remainder_512(__m512 real, __m512i rounded,
                                                                         const quern_bounds_512 *bounds) {
  const __m512 clamped = quern_clamp_512(real, bounds);
  const __m512 remainder = _mm512_mul_ps(_mm512_sub_ps(clamped, _mm512_cvtepi32_ps(rounded)), _mm512_set1_ps(256.0f));
  return _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(remainder)), _mm_set1_epi8(-128));
}

// Packs four vectors to 64 bytes. Each 128-bit lane of the result has the same lane of a, b, c and d in turn.
static inline __attribute__((always_inline)) __m512i quern_pack_lanes_512(__m512i a, __m512i b, __m512i c, __m512i d,
                                                                          const quern_bounds_512 *bounds) {
  const __m512i ab = _mm512_add_epi16(_mm512_packs_epi32(a, b), bounds->zero_point);
  const __m512i cd = _mm512_add_epi16(_mm512_packs_epi32(c, d), bounds->zero_point);
  return _mm512_packus_epi16(ab, cd);
}

// Packs four vectors to 64 bytes in order.
static inline __attribute__((always_inline)) __m512i quern_pack_512(__m512i a, __m512i b, __m512i c, __m512i d,
                                                                    const quern_bounds_512 *bounds) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, quern_pack_lanes_512(a, b, c, d, bounds));
}

// Packs one vector to 16 bytes.
static inline __attribute__((always_inline)) __m128i quern_pack16_512(__m512i a, const quern_bounds_512 *bounds) {
  return _mm_add_epi8(_mm512_cvtepi32_epi8(a), bounds->zero_point_8);
}

#pragma clang attribute pop
