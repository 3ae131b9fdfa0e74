#include "functions.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include "../requantise/x86_avx512.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

enum { width = 16 };

// The mask of the lanes of the vector that starts at `i`: all lanes, except at the end.
INLINE __mmask16 lanes(size_t i, size_t count) {
  return count - i >= width ? (__mmask16)0xFFFF : (__mmask16)((1u << (count - i)) - 1);
}

INLINE void store_u8(uint8_t *y, __mmask16 mask, __m128i bytes) {
  if (mask == 0xFFFF) {
    _mm_storeu_si128((__m128i *)y, bytes); // masked byte stores are slow on some processors
  } else {
    _mm_mask_storeu_epi8(y, mask, bytes);
  }
}

INLINE __m512 centred(const uint8_t *q, __mmask16 mask, __m512i zero_point) {
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, q)), zero_point));
}

void quern_quantize_avx512(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q) {
  const quern_bounds_512 bounds = quern_bounds_512_make(zero_point, 0, 255);
  const __m512 divisor = _mm512_set1_ps(scale);
  for (size_t i = 0; i < count; i += width) {
    const __mmask16 mask = lanes(i, count);
    const __m512 real = _mm512_div_ps(_mm512_maskz_loadu_ps(mask, x + i), divisor);
    store_u8(q + i, mask, quern_pack16_512(quern_round_512(real, &bounds), &bounds));
  }
}

void quern_dequantize_avx512(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x) {
  const __m512i zero = _mm512_set1_epi32(zero_point);
  const __m512 factor = _mm512_set1_ps(scale);
  for (size_t i = 0; i < count; i += width) {
    const __mmask16 mask = lanes(i, count);
    _mm512_mask_storeu_ps(x + i, mask, _mm512_mul_ps(factor, centred(q + i, mask, zero)));
  }
}

void quern_add_avx512(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
                      int32_t zero_point, int32_t output_min, int32_t output_max, uint8_t *q) {
  const quern_bounds_512 bounds = quern_bounds_512_make(zero_point, output_min, output_max);
  const __m512i zero_a = _mm512_set1_epi32(za), zero_b = _mm512_set1_epi32(zb);
  const __m512 factor_a = _mm512_set1_ps(ma), factor_b = _mm512_set1_ps(mb);
  for (size_t i = 0; i < count; i += width) {
    const __mmask16 mask = lanes(i, count);
    const __m512 real = _mm512_add_ps(_mm512_mul_ps(centred(a + i, mask, zero_a), factor_a),
                                      _mm512_mul_ps(centred(b + i, mask, zero_b), factor_b));
    store_u8(q + i, mask, quern_pack16_512(quern_round_512(real, &bounds), &bounds));
  }
}

void quern_multiply_avx512(const uint8_t *a, int32_t za, float factor, const uint8_t *b, int32_t zb, size_t count,
                           int32_t zero_point, uint8_t *q) {
  const quern_bounds_512 bounds = quern_bounds_512_make(zero_point, 0, 255);
  const __m512i zero_a = _mm512_set1_epi32(za), zero_b = _mm512_set1_epi32(zb);
  const __m512 factors = _mm512_set1_ps(factor);
  for (size_t i = 0; i < count; i += width) {
    const __mmask16 mask = lanes(i, count);
    const __m512 first = _mm512_mul_ps(centred(a + i, mask, zero_a), factors);
    const __m512 real = _mm512_mul_ps(first, centred(b + i, mask, zero_b));
    store_u8(q + i, mask, quern_pack16_512(quern_round_512(real, &bounds), &bounds));
  }
}

void quern_prelu_avx512(const uint8_t *a, int32_t za, float positive, const float *negative, size_t channels,
                        size_t rows, int32_t zero_point, uint8_t *q) {
  const quern_bounds_512 bounds = quern_bounds_512_make(zero_point, 0, 255);
  const __m512i zero = _mm512_set1_epi32(za);
  const __m512 slope = _mm512_set1_ps(positive);
  for (size_t row = 0; row < rows; ++row, a += channels, q += channels) {
    for (size_t c = 0; c < channels; c += width) {
      const __mmask16 mask = lanes(c, channels);
      const __m512 x = centred(a + c, mask, zero);
      const __mmask16 is_positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
      const __m512 slopes = _mm512_mask_blend_ps(is_positive, _mm512_maskz_loadu_ps(mask, negative + c), slope);
      store_u8(q + c, mask, quern_pack16_512(quern_round_512(_mm512_mul_ps(x, slopes), &bounds), &bounds));
    }
  }
}

void quern_requantize_avx512(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point,
                             int32_t output_min, uint8_t *q) {
  const quern_bounds_512 bounds = quern_bounds_512_make(zero_point, output_min, 255);
  const __m512i zero = _mm512_set1_epi32(za);
  const __m512 factor = _mm512_set1_ps(ma);
  for (size_t i = 0; i < count; i += width) {
    const __mmask16 mask = lanes(i, count);
    const __m512 real = _mm512_mul_ps(centred(a + i, mask, zero), factor);
    store_u8(q + i, mask, quern_pack16_512(quern_round_512(real, &bounds), &bounds));
  }
}

// Levels minus their zero point, times a factor; with their remainders where `remainder` is not null.
INLINE __m512 scaled_levels(const uint8_t *q, const uint8_t *remainder, __mmask16 mask, int32_t zero_point, __m512 factor) {
  __m512i level = _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, q)), _mm512_set1_epi32(zero_point));
  if (remainder) {
    const __m512i signed_remainder =
        _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, remainder)), _mm512_set1_epi32(128));
    level = _mm512_add_epi32(_mm512_slli_epi32(level, 8), signed_remainder);
    factor = _mm512_mul_ps(factor, _mm512_set1_ps(1.0f / 256.0f));
  }
  return _mm512_mul_ps(_mm512_cvtepi32_ps(level), factor);
}

INLINE __m512 scaled_sum(const quern_scale_args *a, size_t at, __mmask16 mask, __m512 factors) {
  const __m512 real = a->reals ? _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, a->reals + at), factors)
                               : scaled_levels(a->map + at, a->map_remainder ? a->map_remainder + at : 0, mask,
                                               a->map_zero_point, factors);
  if (!a->residual) return real;
  const uint8_t *remainder = a->residual_remainder ? a->residual_remainder + at : 0;
  return _mm512_add_ps(real, scaled_levels(a->residual + at, remainder, mask, a->residual_zero_point,
                                           _mm512_set1_ps(a->residual_multiplier)));
}

void quern_scale_avx512(const quern_scale_args *a) {
  const quern_bounds_512 bounds = quern_bounds_512_make(a->output_zero_point, a->output_min, a->output_max);
  for (size_t row = 0; row < a->rows; ++row) {
    for (size_t c = 0; c < a->channels; c += width) {
      const size_t at = row * a->channels + c;
      const __mmask16 mask = lanes(c, a->channels);
      const __m512 real = scaled_sum(a, at, mask, _mm512_maskz_loadu_ps(mask, a->factors + c));
      if (a->output_f32) {
        _mm512_mask_storeu_ps(a->output_f32 + at, mask, quern_clamped_512(real, &a->clamp));
        continue;
      }
      const __m512i rounded = quern_round_512(real, &bounds);
      store_u8(a->output + at, mask, quern_pack16_512(rounded, &bounds));
      if (a->output_remainder) {
        store_u8(a->output_remainder + at, mask, quern_remainder_512(real, rounded, &bounds));
      }
    }
  }
}

#pragma clang attribute pop
#endif
