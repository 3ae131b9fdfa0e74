#include "quern_depthwise.h"

#if defined(__x86_64__)

#include "x86_store.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 16 channels and up to 2 rows at once. Four taps of 16 bytes are interleaved to [16 channels][4 taps], widened to
// int16 and multiplied by vpmaddwd (vpmaddubsw would saturate). This gives two partial sums per channel, added at the
// end.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 2 };

INLINE void interleave(const __m128i x[4], __m128i out[4]) {
  const __m128i ab_low = _mm_unpacklo_epi8(x[0], x[1]), ab_high = _mm_unpackhi_epi8(x[0], x[1]);
  const __m128i cd_low = _mm_unpacklo_epi8(x[2], x[3]), cd_high = _mm_unpackhi_epi8(x[2], x[3]);
  out[0] = _mm_unpacklo_epi16(ab_low, cd_low);
  out[1] = _mm_unpackhi_epi16(ab_low, cd_low);
  out[2] = _mm_unpacklo_epi16(ab_high, cd_high);
  out[3] = _mm_unpackhi_epi16(ab_high, cd_high);
}

INLINE __m256 real_values(const __m256i *acc, const int32_t *bias, const float *multiplier) {
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[0], acc[1]), 0xD8);
  const __m256i biased = _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)bias));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(biased), _mm256_loadu_ps(multiplier));
}

INLINE void run_tile(const quern_depthwise_args *a, const quern_bounds_256 *bounds, size_t row, size_t channel,
                     size_t count, int R) {
  const size_t taps = a->taps, groups = (taps + 3) / 4;
  const uint8_t *input = a->input + channel;
  const int8_t *w = a->weights + channel / 16 * groups * 64;
  const int32_t *offsets = a->offsets + row * taps;
  __m256i acc[max_rows][4];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = _mm256_setzero_si256();
  }
  for (size_t g = 0; g < groups; ++g, w += 64) {
    __m128i x[max_rows][4];
    UNROLL for (int r = 0; r < R; ++r) {
      __m128i tap[4];
      UNROLL for (size_t i = 0; i < 4; ++i) {
        const size_t t = g * 4 + i < taps ? g * 4 + i : taps - 1;
        tap[i] = quern_load_bytes_128(input + offsets[(size_t)r * taps + t], count);
      }
      interleave(tap, x[r]);
    }
    UNROLL for (int i = 0; i < 4; ++i) {
      const __m256i weights = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + i * 16)));
      UNROLL for (int r = 0; r < R; ++r) {
        acc[r][i] = _mm256_add_epi32(acc[r][i], _mm256_madd_epi16(_mm256_cvtepu8_epi16(x[r][i]), weights));
      }
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    const __m256 low = real_values(acc[r], a->bias + channel, a->multiplier + channel);
    const __m256 high = real_values(acc[r] + 2, a->bias + channel + 8, a->multiplier + channel + 8);
    quern_depthwise_store_256(a, bounds, low, high, row + (size_t)r, channel, count);
  }
}

INLINE void run_rows(const quern_depthwise_args *a, const quern_bounds_256 *bounds, size_t channel, size_t count) {
  size_t row = 0;
  for (; row + 2 <= a->rows; row += 2) run_tile(a, bounds, row, channel, count, 2);
  if (row < a->rows) run_tile(a, bounds, row, channel, count, 1);
}

void quern_depthwise_avx2(const quern_depthwise_args *a) {
  const quern_bounds_256 bounds = quern_bounds_256_make(a->output_zero_point, a->output_min, a->output_max);
  size_t channel = 0;
  for (; channel + 16 <= a->channels; channel += 16) run_rows(a, &bounds, channel, 16);
  if (channel < a->channels) run_rows(a, &bounds, channel, a->channels - channel);
}

#pragma clang attribute pop
#endif
