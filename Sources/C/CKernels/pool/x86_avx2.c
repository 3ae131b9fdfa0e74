#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// Computes whole vectors of channels; the scalar tier computes the remaining ones.

static void max_u8_row(const uint8_t *x, const int32_t *offsets, size_t taps, size_t channels, uint8_t *y) {
  for (size_t c = 0; c < channels; c += 32) {
    __m256i best = _mm256_setzero_si256();
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] >= 0) best = _mm256_max_epu8(best, _mm256_loadu_si256((const __m256i *)(x + offsets[t] + c)));
    }
    _mm256_storeu_si256((__m256i *)(y + c), best);
  }
}

void quern_max_u8_avx2(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, uint8_t *y,
                       size_t y_stride) {
  const size_t whole = channels / 32 * 32;
  for (size_t row = 0; row < rows; ++row) max_u8_row(x, offsets + row * taps, taps, whole, y + row * y_stride);
  if (whole < channels) quern_max_u8_scalar(x + whole, offsets, rows, taps, channels - whole, y + whole, y_stride);
}

static void max_f32_row(const float *x, const int32_t *offsets, size_t taps, size_t channels, float *y) {
  for (size_t c = 0; c < channels; c += 8) {
    __m256 best = _mm256_set1_ps(-INFINITY);
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const __m256 value = _mm256_loadu_ps(x + offsets[t] + c);
      const __m256 larger = _mm256_cmp_ps(value, best, _CMP_GT_OQ), nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
      best = _mm256_blendv_ps(best, value, _mm256_or_ps(larger, nan));
    }
    _mm256_storeu_ps(y + c, best);
  }
}

void quern_max_f32_avx2(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                        size_t y_stride) {
  const size_t whole = channels / 8 * 8;
  for (size_t row = 0; row < rows; ++row) max_f32_row(x, offsets + row * taps, taps, whole, y + row * y_stride);
  if (whole < channels) quern_max_f32_scalar(x + whole, offsets, rows, taps, channels - whole, y + whole, y_stride);
}

void quern_table_sum_avx2(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table,
                          float *sums) {
  const size_t whole = channels / 8 * 8;
  for (size_t c = 0; c < whole; c += 8) {
    __m256 sum = _mm256_loadu_ps(sums + c);
    for (size_t i = 0; i < count; ++i) {
      const __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + i * stride + c)));
      sum = _mm256_add_ps(sum, _mm256_i32gather_ps(table, index, 4));
    }
    _mm256_storeu_ps(sums + c, sum);
  }
  quern_table_sum_scalar(x + whole, count, stride, channels - whole, table, sums + whole);
}

void quern_sum_u8_avx2(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums) {
  const size_t whole = channels / 8 * 8;
  for (size_t c = 0; c < whole; c += 8) {
    __m256i sum = _mm256_loadu_si256((const __m256i *)(sums + c));
    for (size_t i = 0; i < count; ++i) {
      sum = _mm256_add_epi32(sum, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + i * stride + c))));
    }
    _mm256_storeu_si256((__m256i *)(sums + c), sum);
  }
  quern_sum_u8_scalar(x + whole, count, stride, channels - whole, sums + whole);
}

void quern_sum_f32_avx2(const float *x, size_t count, size_t stride, size_t channels, double *sums) {
  const size_t whole = channels / 8 * 8;
  for (size_t c = 0; c < whole; c += 8) {
    __m256d low = _mm256_loadu_pd(sums + c), high = _mm256_loadu_pd(sums + c + 4);
    for (size_t i = 0; i < count; ++i) {
      low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm_loadu_ps(x + i * stride + c)));
      high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm_loadu_ps(x + i * stride + c + 4)));
    }
    _mm256_storeu_pd(sums + c, low);
    _mm256_storeu_pd(sums + c + 4, high);
  }
  quern_sum_f32_scalar(x + whole, count, stride, channels - whole, sums + whole);
}

void quern_average_u8_avx2(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels,
                           int32_t zero_point, uint8_t *y, size_t y_stride) {
  const size_t whole = channels / 8 * 8;
  for (size_t row = 0; row < rows; ++row) {
    const int32_t *from = offsets + row * taps;
    const quern_taps found = quern_count_taps(from, taps);
    const __m256 divisor = _mm256_set1_ps((float)found.count);
    for (size_t c = 0; c < whole; c += 8) {
      __m256i sum = _mm256_set1_epi32(zero_point * (int32_t)found.zeros);
      for (size_t t = 0; t < taps; ++t) {
        if (from[t] < 0) continue;
        sum = _mm256_add_epi32(sum, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + from[t] + c))));
      }
      const __m256i mean = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_cvtepi32_ps(sum), divisor));
      const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(mean), _mm256_extracti128_si256(mean, 1));
      _mm_storel_epi64((__m128i *)(y + row * y_stride + c), _mm_packus_epi16(words, words));
    }
  }
  if (whole < channels) {
    quern_average_u8_scalar(x + whole, offsets, rows, taps, channels - whole, zero_point, y + whole, y_stride);
  }
}

void quern_average_f32_avx2(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                            size_t y_stride) {
  const size_t whole = channels / 8 * 8;
  for (size_t row = 0; row < rows; ++row) {
    const int32_t *from = offsets + row * taps;
    const __m256 divisor = _mm256_set1_ps((float)quern_count_taps(from, taps).count);
    for (size_t c = 0; c < whole; c += 8) {
      __m256 sum = _mm256_setzero_ps();
      for (size_t t = 0; t < taps; ++t) {
        if (from[t] >= 0) sum = _mm256_add_ps(sum, _mm256_loadu_ps(x + from[t] + c));
      }
      _mm256_storeu_ps(y + row * y_stride + c, _mm256_div_ps(sum, divisor));
    }
  }
  if (whole < channels) {
    quern_average_f32_scalar(x + whole, offsets, rows, taps, channels - whole, y + whole, y_stride);
  }
}

#pragma clang attribute pop
#endif
