#include "quern_igemm.h"

#if defined(__x86_64__)

#include <string.h>

#include "../requantise/x86_avx2.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// vpmaddubsw would saturate its int16 sums, so both sides are widened to int16 for vpmaddwd. A register then holds 4
// channels with two partial sums each (bytes 0 and 1, bytes 2 and 3 of a group), added at the end. A tile is R rows x 16
// channels in R * 4 registers; a third row would not leave one for each input and product.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 2 };

// 16 sums in channel order: registers 2 i and 2 i + 1 give channels 8 i to 8 i + 7.
INLINE __m256 real_values(const __m256i *acc, const int32_t *bias, const float *multiplier) {
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[0], acc[1]), 0xD8);
  const __m256i biased = _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)bias));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(biased), _mm256_loadu_ps(multiplier));
}

// `count` bytes, and zeros up to 16.
INLINE __m128i load_bytes(const void *from, size_t count) {
  if (count == 16) return _mm_loadu_si128((const __m128i *)from);
  uint8_t bytes[16] = {0};
  memcpy(bytes, from, count);
  return _mm_loadu_si128((const __m128i *)bytes);
}

INLINE void store_bytes(void *to, __m128i values, size_t count) {
  uint8_t bytes[16];
  _mm_storeu_si128((__m128i *)(count == 16 ? to : bytes), values);
  if (count < 16) memcpy(to, bytes, count);
}

// 8 uint8 levels from the zero point, times the multiplier; with their remainders where there are any.
INLINE __m256 scaled_residual(__m128i bytes, __m128i remainders, const quern_igemm_args *a) {
  __m256i level = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(a->residual_zero_point));
  float multiplier = a->residual_multiplier;
  if (a->residual_remainder) {
    level = _mm256_add_epi32(_mm256_slli_epi32(level, 8), _mm256_cvtepi8_epi32(remainders));
    multiplier = multiplier / 256.0f;
  }
  return _mm256_mul_ps(_mm256_cvtepi32_ps(level), _mm256_set1_ps(multiplier));
}

INLINE void add_residual(const quern_igemm_args *a, size_t row, size_t channel, size_t count, __m256 real[2]) {
  if (a->residual) {
    const size_t at = row * a->residual_stride + channel;
    const __m128i bytes = load_bytes(a->residual + at, count);
    const __m128i rest = a->residual_remainder ? load_bytes(a->residual_remainder + at, count) : bytes;
    real[0] = _mm256_add_ps(real[0], scaled_residual(bytes, rest, a));
    real[1] = _mm256_add_ps(
        real[1], scaled_residual(_mm_unpackhi_epi64(bytes, bytes), _mm_unpackhi_epi64(rest, rest), a));
  } else if (a->residual_f32) {
    float floats[16] = {0};
    memcpy(floats, a->residual_f32 + row * a->residual_stride + channel, count * sizeof(float));
    real[0] = _mm256_add_ps(real[0], _mm256_loadu_ps(floats));
    real[1] = _mm256_add_ps(real[1], _mm256_loadu_ps(floats + 8));
  }
}

INLINE void finish_row(const quern_igemm_args *a, const quern_bounds_256 *bounds, const __m256i *acc, size_t row,
                       size_t channel, size_t count) {
  __m256 real[2] = {real_values(acc, a->bias + channel, a->multiplier + channel),
                    real_values(acc + 2, a->bias + channel + 8, a->multiplier + channel + 8)};
  add_residual(a, row, channel, count, real);
  const size_t at = row * a->output_stride + channel;
  if (a->store == QUERN_STORE_U8) {
    store_bytes((uint8_t *)a->output + at, quern_requantise_256(real[0], real[1], bounds), count);
    if (a->output_remainder) {
      store_bytes(a->output_remainder + at, quern_remainder_256(real[0], real[1], bounds), count);
    }
  } else {
    float *y = (float *)a->output + at, floats[16];
    float *to = count == 16 ? y : floats;
    const __m256 zero = _mm256_setzero_ps();
    _mm256_storeu_ps(to, a->relu ? _mm256_max_ps(real[0], zero) : real[0]);
    _mm256_storeu_ps(to + 8, a->relu ? _mm256_max_ps(real[1], zero) : real[1]);
    if (count < 16) memcpy(y, floats, count * sizeof(float));
  }
}

INLINE void run_tile(const quern_igemm_args *a, const quern_bounds_256 *bounds, size_t row, size_t channel, size_t count,
                     int R) {
  const size_t taps = a->taps, steps = (a->tap_bytes + 3) / 4 * 4;
  const int8_t *w = a->weights + channel / 16 * taps * steps * 16;
  __m256i acc[max_rows][4];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = _mm256_setzero_si256();
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = a->offsets ? a->input + a->offsets[(row + r) * taps + t] : a->input + (row + r) * a->input_stride;
    }
    for (size_t k = 0; k < steps; k += 4, w += 64) {
      __m256i input[max_rows];
      UNROLL for (int r = 0; r < R; ++r) {
        int32_t bytes;
        memcpy(&bytes, x[r] + k, 4);
        input[r] = _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes));
      }
      UNROLL for (int i = 0; i < 4; ++i) {
        const __m256i weights = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + i * 16)));
        UNROLL for (int r = 0; r < R; ++r) {
          acc[r][i] = _mm256_add_epi32(acc[r][i], _mm256_madd_epi16(input[r], weights));
        }
      }
    }
  }
  UNROLL for (int r = 0; r < R; ++r) finish_row(a, bounds, acc[r], row + r, channel, count);
}

static void tile_1(const quern_igemm_args *a, const quern_bounds_256 *b, size_t row, size_t channel, size_t count) {
  run_tile(a, b, row, channel, count, 1);
}
static void tile_2(const quern_igemm_args *a, const quern_bounds_256 *b, size_t row, size_t channel, size_t count) {
  run_tile(a, b, row, channel, count, 2);
}
// Rows whose input stays in the second-level cache while the blocks of weights pass over it.
static size_t rows_per_pass(const quern_igemm_args *a) {
  enum { bytes = 128 * 1024, least = 48 };
  const size_t rows = a->tap_bytes ? bytes / a->tap_bytes : a->rows;
  return rows > least ? rows : least;
}

void quern_igemm_avx2(const quern_igemm_args *a) {
  const quern_bounds_256 bounds = quern_bounds_256_make(a->output_zero_point, a->output_min, a->output_max);
  const size_t pass = rows_per_pass(a);
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t end = a->rows - first < pass ? a->rows : first + pass;
    for (size_t channel = 0; channel < a->output_channels; channel += 16) {
      const size_t left = a->output_channels - channel, count = left < 16 ? left : 16;
      size_t row = first;
      for (; row + 2 <= end; row += 2) tile_2(a, &bounds, row, channel, count);
      if (row < end) tile_1(a, &bounds, row, channel, count);
    }
  }
}

#pragma clang attribute pop
#endif
