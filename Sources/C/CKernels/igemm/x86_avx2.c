#include "quern_igemm.h"

#if defined(__x86_64__)

#include <string.h>

#include "x86_store.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// vpmaddubsw would saturate its int16 sums, so both operands are widened to int16 for vpmaddwd. A register then holds
// two partial sums for each of 4 channels (of bytes 0 and 1, and of bytes 2 and 3 of a group), added at the end. A tile
// is R rows x 16 channels in R * 4 registers; with a third row, there would not be enough registers for inputs and
// products.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 2 };

// Returns 8 sums in the order of the channels.
INLINE __m256i biased_sums(const __m256i *acc, const int32_t *bias) {
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[0], acc[1]), 0xD8);
  return _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)bias));
}

// Computes the sums of a tile.
INLINE void multiply(const quern_igemm_args *a, quern_igemm_plane p, __m256i sums[max_rows][2], size_t row,
                     size_t channel, int R) {
  const size_t taps = a->taps, steps = (a->tap_bytes + 3) / 4 * 4;
  const int8_t *w = a->weights + channel / 16 * taps * steps * 16;
  __m256i acc[max_rows][4];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = _mm256_setzero_si256();
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = quern_igemm_tap(a, p, row + (size_t)r, t);
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
  UNROLL for (int r = 0; r < R; ++r) {
    sums[r][0] = biased_sums(acc[r], p.bias + channel);
    sums[r][1] = biased_sums(acc[r] + 2, p.bias + channel + 8);
  }
}

INLINE void run_tile(const quern_igemm_args *a, const quern_bounds_256 *bounds, size_t row, size_t channel, size_t count,
                     int R) {
  __m256i sums[max_rows][2];
  float parts[max_rows][16];
  if (a->remainders.input) {
    multiply(a, quern_igemm_remainder_plane(a), sums, row, channel, R);
    UNROLL for (int r = 0; r < R; ++r) quern_igemm_part_256(a, sums[r][0], sums[r][1], channel, parts[r]);
  }
  multiply(a, quern_igemm_levels(a), sums, row, channel, R);
  UNROLL for (int r = 0; r < R; ++r) {
    quern_igemm_store_256(a, bounds, sums[r][0], sums[r][1], parts[r], row + (size_t)r, channel, count);
  }
}

static void tile_1(const quern_igemm_args *a, const quern_bounds_256 *b, size_t row, size_t channel, size_t count) {
  run_tile(a, b, row, channel, count, 1);
}
static void tile_2(const quern_igemm_args *a, const quern_bounds_256 *b, size_t row, size_t channel, size_t count) {
  run_tile(a, b, row, channel, count, 2);
}
// The number of rows whose input stays in the second-level cache while it is multiplied with all blocks of weights.
static size_t rows_per_pass(const quern_igemm_args *a) {
  enum { bytes = 128 * 1024, min_rows = 48 };
  const size_t rows = a->tap_bytes ? bytes / a->tap_bytes : a->rows;
  return rows > min_rows ? rows : min_rows;
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
