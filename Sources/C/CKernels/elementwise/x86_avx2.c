#include "functions.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include "../requantise/x86_avx2.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 16 values at a time; the scalar tier computes the remaining ones.

#define INLINE static inline __attribute__((always_inline))

enum { width = 16 };

typedef struct {
  __m256 low, high;
} pair;

INLINE __m256 centred8(__m128i bytes, __m256i zero_point) {
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), zero_point));
}

// (q - zero_point) * factor
INLINE pair scaled(const uint8_t *q, __m256i zero_point, __m256 factor) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)q);
  return (pair){_mm256_mul_ps(centred8(bytes, zero_point), factor),
                _mm256_mul_ps(centred8(_mm_unpackhi_epi64(bytes, bytes), zero_point), factor)};
}

void quern_quantize_avx2(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, 0, 255);
  const __m256 divisor = _mm256_set1_ps(scale);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const __m256 low = _mm256_div_ps(_mm256_loadu_ps(x + i), divisor);
    const __m256 high = _mm256_div_ps(_mm256_loadu_ps(x + i + 8), divisor);
    _mm_storeu_si128((__m128i *)(q + i), quern_requantise_256(low, high, &bounds));
  }
  quern_quantize_scalar(x + i, count - i, scale, zero_point, q + i);
}

void quern_dequantize_avx2(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x) {
  const __m256i zero = _mm256_set1_epi32(zero_point);
  const __m256 factor = _mm256_set1_ps(scale);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const pair values = scaled(q + i, zero, factor);
    _mm256_storeu_ps(x + i, values.low);
    _mm256_storeu_ps(x + i + 8, values.high);
  }
  quern_dequantize_scalar(q + i, count - i, scale, zero_point, x + i);
}

void quern_add_avx2(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
                    int32_t zero_point, int32_t output_min, int32_t output_max, uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, output_min, output_max);
  const __m256i zero_a = _mm256_set1_epi32(za), zero_b = _mm256_set1_epi32(zb);
  const __m256 factor_a = _mm256_set1_ps(ma), factor_b = _mm256_set1_ps(mb);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const pair first = scaled(a + i, zero_a, factor_a), second = scaled(b + i, zero_b, factor_b);
    const __m256 low = _mm256_add_ps(first.low, second.low), high = _mm256_add_ps(first.high, second.high);
    _mm_storeu_si128((__m128i *)(q + i), quern_requantise_256(low, high, &bounds));
  }
  quern_add_scalar(a + i, za, ma, b + i, zb, mb, count - i, zero_point, output_min, output_max, q + i);
}

void quern_multiply_avx2(const uint8_t *a, int32_t za, float factor, const uint8_t *b, int32_t zb, size_t count,
                         int32_t zero_point, uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, 0, 255);
  const __m256i zero_a = _mm256_set1_epi32(za), zero_b = _mm256_set1_epi32(zb);
  const __m256 factors = _mm256_set1_ps(factor), one = _mm256_set1_ps(1.0f);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const pair first = scaled(a + i, zero_a, factors), second = scaled(b + i, zero_b, one);
    const __m256 low = _mm256_mul_ps(first.low, second.low), high = _mm256_mul_ps(first.high, second.high);
    _mm_storeu_si128((__m128i *)(q + i), quern_requantise_256(low, high, &bounds));
  }
  quern_multiply_scalar(a + i, za, factor, b + i, zb, count - i, zero_point, q + i);
}

// x * positive where x > 0, x * negative elsewhere
INLINE __m256 sloped(__m256 x, __m256 positive, const float *negative) {
  const __m256 is_positive = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ);
  return _mm256_mul_ps(x, _mm256_blendv_ps(_mm256_loadu_ps(negative), positive, is_positive));
}

void quern_prelu_avx2(const uint8_t *a, int32_t za, float positive, const float *negative, size_t channels, size_t rows,
                      int32_t zero_point, uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, 0, 255);
  const __m256i zero = _mm256_set1_epi32(za);
  const __m256 slope = _mm256_set1_ps(positive), one = _mm256_set1_ps(1.0f);
  for (size_t row = 0; row < rows; ++row, a += channels, q += channels) {
    size_t c = 0;
    for (; c + width <= channels; c += width) {
      const pair x = scaled(a + c, zero, one);
      const __m256 low = sloped(x.low, slope, negative + c), high = sloped(x.high, slope, negative + c + 8);
      _mm_storeu_si128((__m128i *)(q + c), quern_requantise_256(low, high, &bounds));
    }
    quern_prelu_scalar(a + c, za, positive, negative + c, channels - c, 1, zero_point, q + c);
  }
}

void quern_requantize_avx2(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point,
                           int32_t output_min, uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, output_min, 255);
  const __m256i zero = _mm256_set1_epi32(za);
  const __m256 factor = _mm256_set1_ps(ma);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const pair values = scaled(a + i, zero, factor);
    _mm_storeu_si128((__m128i *)(q + i), quern_requantise_256(values.low, values.high, &bounds));
  }
  quern_requantize_scalar(a + i, za, ma, count - i, zero_point, output_min, q + i);
}

// 16 levels minus their zero point, times factors; with their remainders where `remainder` is not null.
INLINE pair scaled_levels(const uint8_t *q, const uint8_t *remainder, int32_t zero_point, pair factors) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)q);
  const __m256i zero = _mm256_set1_epi32(zero_point);
  __m256i low = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), zero);
  __m256i high = _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes)), zero);
  if (remainder) {
    const __m128i signed_bytes = _mm_xor_si128(_mm_loadu_si128((const __m128i *)remainder), _mm_set1_epi8(-128));
    const __m256 unit = _mm256_set1_ps(1.0f / 256.0f);
    low = _mm256_add_epi32(_mm256_slli_epi32(low, 8), _mm256_cvtepi8_epi32(signed_bytes));
    const __m128i high_bytes = _mm_unpackhi_epi64(signed_bytes, signed_bytes);
    high = _mm256_add_epi32(_mm256_slli_epi32(high, 8), _mm256_cvtepi8_epi32(high_bytes));
    factors = (pair){_mm256_mul_ps(factors.low, unit), _mm256_mul_ps(factors.high, unit)};
  }
  return (pair){_mm256_mul_ps(_mm256_cvtepi32_ps(low), factors.low), _mm256_mul_ps(_mm256_cvtepi32_ps(high), factors.high)};
}

INLINE pair scaled_sum(const quern_scale_args *a, size_t at, pair factors) {
  pair real;
  if (a->reals) {
    real = (pair){_mm256_mul_ps(_mm256_loadu_ps(a->reals + at), factors.low),
                  _mm256_mul_ps(_mm256_loadu_ps(a->reals + at + 8), factors.high)};
  } else {
    real = scaled_levels(a->map + at, a->map_remainder ? a->map_remainder + at : 0, a->map_zero_point, factors);
  }
  if (!a->residual) return real;
  const __m256 multiplier = _mm256_set1_ps(a->residual_multiplier);
  const pair other = scaled_levels(a->residual + at, a->residual_remainder ? a->residual_remainder + at : 0,
                                   a->residual_zero_point, (pair){multiplier, multiplier});
  return (pair){_mm256_add_ps(real.low, other.low), _mm256_add_ps(real.high, other.high)};
}

// Computes the last channels of one row, beginning with `first`, by the scalar tier.
static void scale_tail(const quern_scale_args *a, size_t row, size_t first) {
  const size_t at = row * a->channels + first;
  quern_scale_args tail = *a;
  tail.rows = 1;
  tail.channels -= first;
  tail.factors += first;
  if (tail.map) tail.map += at;
  if (tail.map_remainder) tail.map_remainder += at;
  if (tail.reals) tail.reals += at;
  if (tail.residual) tail.residual += at;
  if (tail.residual_remainder) tail.residual_remainder += at;
  if (tail.output) tail.output += at;
  if (tail.output_remainder) tail.output_remainder += at;
  if (tail.output_f32) tail.output_f32 += at;
  quern_scale_scalar(&tail);
}

void quern_scale_avx2(const quern_scale_args *a) {
  const quern_bounds_256 bounds = quern_bounds_256_make(a->output_zero_point, a->output_min, a->output_max);
  const size_t whole = a->channels / width * width;
  for (size_t row = 0; row < a->rows; ++row) {
    for (size_t c = 0; c < whole; c += width) {
      const size_t at = row * a->channels + c;
      const pair real =
          scaled_sum(a, at, (pair){_mm256_loadu_ps(a->factors + c), _mm256_loadu_ps(a->factors + c + 8)});
      if (a->output_f32) {
        _mm256_storeu_ps(a->output_f32 + at, quern_clamped_256(real.low, &a->clamp));
        _mm256_storeu_ps(a->output_f32 + at + 8, quern_clamped_256(real.high, &a->clamp));
        continue;
      }
      _mm_storeu_si128((__m128i *)(a->output + at), quern_requantise_256(real.low, real.high, &bounds));
      if (a->output_remainder) {
        const __m128i remainders = quern_remainder_256(real.low, real.high, &bounds);
        _mm_storeu_si128((__m128i *)(a->output_remainder + at), remainders);
      }
    }
    if (whole < a->channels) scale_tail(a, row, whole);
  }
}

#pragma clang attribute pop
#endif
