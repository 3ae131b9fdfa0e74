#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

INLINE __mmask64 mask64(size_t count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }
INLINE __mmask16 mask16(size_t count) { return count >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << count) - 1); }

void quern_max_u8_avx512(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, uint8_t *y,
                         size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    for (size_t c = 0; c < channels; c += 64) {
      const __mmask64 mask = mask64(channels - c);
      __m512i best = _mm512_setzero_si512();
      for (size_t t = 0; t < taps; ++t) {
        if (offsets[t] >= 0) best = _mm512_max_epu8(best, _mm512_maskz_loadu_epi8(mask, x + offsets[t] + c));
      }
      if (mask == ~0ull) {
        _mm512_storeu_si512(y + c, best); // masked byte stores are slow on some processors
      } else {
        _mm512_mask_storeu_epi8(y + c, mask, best);
      }
    }
  }
}

void quern_max_f32_avx512(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                          size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    for (size_t c = 0; c < channels; c += 16) {
      const __mmask16 mask = mask16(channels - c);
      __m512 best = _mm512_set1_ps(-INFINITY);
      for (size_t t = 0; t < taps; ++t) {
        if (offsets[t] < 0) continue;
        const __m512 value = _mm512_maskz_loadu_ps(mask, x + offsets[t] + c);
        const __mmask16 larger = _mm512_cmp_ps_mask(value, best, _CMP_GT_OQ);
        const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
        best = _mm512_mask_mov_ps(best, larger | nan, value);
      }
      _mm512_mask_storeu_ps(y + c, mask, best);
    }
  }
}

void quern_table_sum_avx512(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table,
                            float *sums) {
  for (size_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = mask16(channels - c);
    __m512 sum = _mm512_maskz_loadu_ps(mask, sums + c);
    for (size_t i = 0; i < count; ++i) {
      const __m512i index = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, x + i * stride + c));
      sum = _mm512_add_ps(sum, _mm512_i32gather_ps(index, table, 4));
    }
    _mm512_mask_storeu_ps(sums + c, mask, sum);
  }
}

void quern_sum_u8_avx512(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums) {
  for (size_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = mask16(channels - c);
    __m512i sum = _mm512_maskz_loadu_epi32(mask, sums + c);
    for (size_t i = 0; i < count; ++i) {
      sum = _mm512_add_epi32(sum, _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, x + i * stride + c)));
    }
    _mm512_mask_storeu_epi32(sums + c, mask, sum);
  }
}

void quern_sum_f32_avx512(const float *x, size_t count, size_t stride, size_t channels, double *sums) {
  // 32 channels at once keep enough additions in flight to hide their latency.
  for (size_t c = 0; c < channels; c += 32) {
    __mmask8 mask[4];
    __m512d sum[4];
    for (size_t j = 0; j < 4; ++j) {
      mask[j] = c + j * 8 < channels ? (__mmask8)mask16(channels - c - j * 8 < 8 ? channels - c - j * 8 : 8) : 0;
      sum[j] = _mm512_maskz_loadu_pd(mask[j], sums + c + j * 8);
    }
    for (size_t i = 0; i < count; ++i) {
      const float *from = x + i * stride + c;
      for (size_t j = 0; j < 4; ++j) {
        sum[j] = _mm512_add_pd(sum[j], _mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask[j], from + j * 8)));
      }
    }
    for (size_t j = 0; j < 4; ++j) _mm512_mask_storeu_pd(sums + c + j * 8, mask[j], sum[j]);
  }
}

void quern_average_u8_avx512(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels,
                             int32_t zero_point, uint8_t *y, size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    const quern_taps found = quern_count_taps(offsets, taps);
    const __m512 divisor = _mm512_set1_ps((float)found.count);
    for (size_t c = 0; c < channels; c += 16) {
      const __mmask16 mask = mask16(channels - c);
      __m512i sum = _mm512_set1_epi32(zero_point * (int32_t)found.zeros);
      for (size_t t = 0; t < taps; ++t) {
        if (offsets[t] < 0) continue;
        sum = _mm512_add_epi32(sum, _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, x + offsets[t] + c)));
      }
      const __m512i mean = _mm512_cvtps_epi32(_mm512_div_ps(_mm512_cvtepi32_ps(sum), divisor));
      if (mask == 0xFFFF) {
        _mm_storeu_si128((__m128i *)(y + c), _mm512_cvtepi32_epi8(mean));
      } else {
        _mm_mask_storeu_epi8(y + c, mask, _mm512_cvtepi32_epi8(mean));
      }
    }
  }
}

void quern_average_f32_avx512(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                              size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    const __m512 divisor = _mm512_set1_ps((float)quern_count_taps(offsets, taps).count);
    for (size_t c = 0; c < channels; c += 16) {
      const __mmask16 mask = mask16(channels - c);
      __m512 sum = _mm512_setzero_ps();
      for (size_t t = 0; t < taps; ++t) {
        if (offsets[t] >= 0) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, x + offsets[t] + c));
      }
      _mm512_mask_storeu_ps(y + c, mask, _mm512_div_ps(sum, divisor));
    }
  }
}

#pragma clang attribute pop
#endif
