#include "functions.h"

#if defined(__x86_64__)

#include "../requantise/x86_avx2.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 16 values at a time; what is left over goes to the scalar tier.

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
                    int32_t zero_point, int32_t output_min, uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, output_min, 255);
  const __m256i zero_a = _mm256_set1_epi32(za), zero_b = _mm256_set1_epi32(zb);
  const __m256 factor_a = _mm256_set1_ps(ma), factor_b = _mm256_set1_ps(mb);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const pair first = scaled(a + i, zero_a, factor_a), second = scaled(b + i, zero_b, factor_b);
    const __m256 low = _mm256_add_ps(first.low, second.low), high = _mm256_add_ps(first.high, second.high);
    _mm_storeu_si128((__m128i *)(q + i), quern_requantise_256(low, high, &bounds));
  }
  quern_add_scalar(a + i, za, ma, b + i, zb, mb, count - i, zero_point, output_min, q + i);
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

void quern_bias_activation_avx2(float *x, size_t rows, size_t channels, size_t stride, const float *bias,
                                const float *residual, size_t residual_stride, int relu) {
  const __m256 zero = _mm256_setzero_ps();
  const size_t whole = channels / 8 * 8;
  for (size_t row = 0; row < rows; ++row) {
    float *values = x + row * stride;
    const float *others = residual ? residual + row * residual_stride : 0;
    for (size_t c = 0; c < whole; c += 8) {
      __m256 value = _mm256_add_ps(_mm256_loadu_ps(values + c), _mm256_loadu_ps(bias + c));
      if (others) value = _mm256_add_ps(value, _mm256_loadu_ps(others + c));
      _mm256_storeu_ps(values + c, relu ? _mm256_max_ps(value, zero) : value);
    }
    quern_bias_activation_scalar(values + whole, 1, channels - whole, stride, bias + whole, others ? others + whole : 0,
                                 residual_stride, relu);
  }
}

// Values and residuals of 16 channels of a row.
typedef struct {
  __m256i za, zr;
  __m256 mr;
} scale_context;

INLINE pair scaled_channels(const scale_context *s, const uint8_t *a, const float *x, const float *factors,
                            const uint8_t *residual) {
  pair real;
  if (x) {
    real = (pair){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
  } else {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)a);
    real = (pair){centred8(bytes, s->za), centred8(_mm_unpackhi_epi64(bytes, bytes), s->za)};
  }
  real = (pair){_mm256_mul_ps(real.low, _mm256_loadu_ps(factors)), _mm256_mul_ps(real.high, _mm256_loadu_ps(factors + 8))};
  if (residual) {
    const pair other = scaled(residual, s->zr, s->mr);
    real = (pair){_mm256_add_ps(real.low, other.low), _mm256_add_ps(real.high, other.high)};
  }
  return real;
}

void quern_scale_u8_avx2(const uint8_t *a, int32_t za, const float *x, const float *factors, const uint8_t *residual,
                         int32_t zr, float mr, size_t rows, size_t channels, int32_t zero_point, int32_t output_min,
                         uint8_t *q) {
  const quern_bounds_256 bounds = quern_bounds_256_make(zero_point, output_min, 255);
  const scale_context s = {_mm256_set1_epi32(za), _mm256_set1_epi32(zr), _mm256_set1_ps(mr)};
  const size_t whole = channels / width * width;
  for (size_t row = 0; row < rows; ++row) {
    const size_t start = row * channels, rest = start + whole;
    for (size_t c = 0; c < whole; c += width) {
      const pair real = scaled_channels(&s, a + start + c, x ? x + start + c : 0, factors + c,
                                        residual ? residual + start + c : 0);
      _mm_storeu_si128((__m128i *)(q + start + c), quern_requantise_256(real.low, real.high, &bounds));
    }
    quern_scale_u8_scalar(a + rest, za, x ? x + rest : 0, factors + whole, residual ? residual + rest : 0, zr, mr, 1,
                          channels - whole,
                          zero_point, output_min, q + rest);
  }
}

void quern_scale_f32_avx2(const uint8_t *a, int32_t za, const float *x, const float *factors, const uint8_t *residual,
                          int32_t zr, float mr, size_t rows, size_t channels, int relu, float *y) {
  const scale_context s = {_mm256_set1_epi32(za), _mm256_set1_epi32(zr), _mm256_set1_ps(mr)};
  const size_t whole = channels / width * width;
  const __m256 zero = _mm256_setzero_ps();
  for (size_t row = 0; row < rows; ++row) {
    const size_t start = row * channels, rest = start + whole;
    for (size_t c = 0; c < whole; c += width) {
      const pair real = scaled_channels(&s, a + start + c, x ? x + start + c : 0, factors + c,
                                        residual ? residual + start + c : 0);
      _mm256_storeu_ps(y + start + c, relu ? _mm256_max_ps(real.low, zero) : real.low);
      _mm256_storeu_ps(y + start + c + 8, relu ? _mm256_max_ps(real.high, zero) : real.high);
    }
    quern_scale_f32_scalar(a + rest, za, x ? x + rest : 0, factors + whole, residual ? residual + rest : 0, zr, mr, 1,
                          channels - whole,
                           relu, y + rest);
  }
}

#pragma clang attribute pop
#endif
