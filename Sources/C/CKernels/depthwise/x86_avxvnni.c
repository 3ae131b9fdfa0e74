#include "quern_depthwise.h"

#if defined(__x86_64__)

#include "../requantise/x86_avx2.h"
#include "../requantise/x86_avxvnni.h"
#include "x86_store.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target(QUERN_AVXVNNI_TARGET))), apply_to = function)

// 16 channels of two rows, one row in each 128-bit lane, and up to two such pairs at once. Four taps of 16 bytes are
// interleaved within the lanes: result i (of four) holds the channels 4 i to 4 i + 3 of both rows.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_pairs = 2 };

INLINE __m256i load_pair(const uint8_t *first, const uint8_t *second, size_t count) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(quern_load_bytes_128(first, count)), quern_load_bytes_128(second, count), 1);
}

// Loads 16 bytes into both lanes.
INLINE __m256i twice(const void *from) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)from)); }

INLINE void interleave(const __m256i x[4], __m256i out[4]) {
  const __m256i ab_low = _mm256_unpacklo_epi8(x[0], x[1]), ab_high = _mm256_unpackhi_epi8(x[0], x[1]);
  const __m256i cd_low = _mm256_unpacklo_epi8(x[2], x[3]), cd_high = _mm256_unpackhi_epi8(x[2], x[3]);
  out[0] = _mm256_unpacklo_epi16(ab_low, cd_low);
  out[1] = _mm256_unpackhi_epi16(ab_low, cd_low);
  out[2] = _mm256_unpacklo_epi16(ab_high, cd_high);
  out[3] = _mm256_unpackhi_epi16(ab_high, cd_high);
}

INLINE void finish_pair(const quern_depthwise_args *a, const quern_bounds_256 *bounds, const __m256i acc[4], size_t row,
                        size_t rows, size_t channel, size_t count) {
  __m256 real[4];
  UNROLL for (int i = 0; i < 4; ++i) {
    const __m256 multiplier = _mm256_castsi256_ps(twice(a->multiplier + channel + i * 4));
    real[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i]), multiplier);
  }
  if (a->output_f32 || a->addend) {
    // A lane holds four channels of a row.
    const __m256 low[2] = {_mm256_permute2f128_ps(real[0], real[1], 0x20), _mm256_permute2f128_ps(real[0], real[1], 0x31)};
    const __m256 high[2] = {_mm256_permute2f128_ps(real[2], real[3], 0x20), _mm256_permute2f128_ps(real[2], real[3], 0x31)};
    for (size_t r = 0; r < (rows > 1 ? 2 : 1); ++r) {
      quern_depthwise_store_256(a, bounds, low[r], high[r], row + r, channel, count);
    }
    return;
  }
  const __m256i q = quern_requantise_lanes_256(real, bounds);
  uint8_t *y = a->output + row * a->output_stride + channel;
  quern_store_bytes_128(y, _mm256_castsi256_si128(q), count);
  if (rows > 1) quern_store_bytes_128(y + a->output_stride, _mm256_extracti128_si256(q, 1), count);
}

// `rows` is 2 P, or 1, in which case both lanes compute the same row.
INLINE void run_tile(const quern_depthwise_args *a, const quern_bounds_256 *bounds, size_t row, size_t rows,
                     size_t channel, size_t count, int P) {
  const size_t taps = a->taps, groups = (taps + 3) / 4;
  const uint8_t *input = a->input + channel;
  const int8_t *w = a->weights + channel / 16 * groups * 64;
  const int32_t *first[max_pairs], *second[max_pairs];
  __m256i acc[max_pairs][4];
  UNROLL for (int p = 0; p < P; ++p) {
    first[p] = a->offsets + (row + (size_t)p * 2) * taps;
    second[p] = rows > 1 ? first[p] + taps : first[p];
    UNROLL for (int i = 0; i < 4; ++i) acc[p][i] = twice(a->bias + channel + i * 4);
  }
  for (size_t g = 0; g < groups; ++g, w += 64) {
    UNROLL for (int p = 0; p < P; ++p) {
      __m256i tap[4], x[4];
      UNROLL for (size_t i = 0; i < 4; ++i) {
        const size_t t = g * 4 + i < taps ? g * 4 + i : taps - 1;
        tap[i] = load_pair(input + first[p][t], input + second[p][t], count);
      }
      interleave(tap, x);
      UNROLL for (int i = 0; i < 4; ++i) acc[p][i] = quern_dot_256(acc[p][i], x[i], twice(w + i * 16));
    }
  }
  UNROLL for (size_t p = 0; p < (size_t)P; ++p) finish_pair(a, bounds, acc[p], row + p * 2, rows, channel, count);
}

INLINE void run_rows(const quern_depthwise_args *a, const quern_bounds_256 *bounds, size_t channel, size_t count) {
  size_t row = 0;
  for (; row + 4 <= a->rows; row += 4) run_tile(a, bounds, row, 4, channel, count, 2);
  for (; row + 2 <= a->rows; row += 2) run_tile(a, bounds, row, 2, channel, count, 1);
  if (row < a->rows) run_tile(a, bounds, row, 1, channel, count, 1);
}

void quern_depthwise_avxvnni(const quern_depthwise_args *a) {
  const quern_bounds_256 bounds = quern_bounds_256_make(a->output_zero_point, a->output_min, a->output_max);
  size_t channel = 0;
  for (; channel + 16 <= a->channels; channel += 16) run_rows(a, &bounds, channel, 16);
  if (channel < a->channels) run_rows(a, &bounds, channel, a->channels - channel);
}

#pragma clang attribute pop
#endif
