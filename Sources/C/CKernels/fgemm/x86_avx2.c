#include "quern_fgemm.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

// A tile is R rows x 16 channels in 2 R registers. With 6 rows, 12 registers of sums, two of weights and one of input
// are in use, of 16; totals are kept in memory.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 6 };

INLINE const float *tap_input(const quern_fgemm_args *a, size_t row, size_t tap) {
  if (!a->offsets) return a->input + row * a->input_stride;
  const int32_t offset = a->offsets[row * a->taps + tap];
  return offset < 0 ? a->zeros : a->input + offset;
}

INLINE void finish_row(const quern_fgemm_args *a, __m256 low, __m256 high, size_t row, size_t channel, size_t count) {
  float floats[16] = {0};
  if (a->residual) {
    const float *residual = a->residual + row * a->residual_stride + channel;
    if (count < 16) {
      memcpy(floats, residual, count * sizeof(float));
      residual = floats;
    }
    low = _mm256_add_ps(low, _mm256_loadu_ps(residual));
    high = _mm256_add_ps(high, _mm256_loadu_ps(residual + 8));
  }
  low = quern_clamped_256(low, &a->clamp);
  high = quern_clamped_256(high, &a->clamp);
  float *y = a->output + row * a->output_stride + channel, *to = count == 16 ? y : floats;
  _mm256_storeu_ps(to, low);
  _mm256_storeu_ps(to + 8, high);
  if (count < 16) memcpy(y, floats, count * sizeof(float));
}

// Adds the sums of a block to the totals and begins a new one.
INLINE void end_block(__m256 total[max_rows][2], __m256 sum[max_rows][2], int R) {
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < 2; ++b) {
      total[r][b] = _mm256_add_ps(total[r][b], sum[r][b]);
      sum[r][b] = _mm256_setzero_ps();
    }
  }
}

INLINE void run_tile(const quern_fgemm_args *a, size_t row, size_t channel, size_t count, int R) {
  const size_t taps = a->taps, elements = a->tap_elements;
  const float *w = a->weights + channel * taps * elements;
  __m256 total[max_rows][2], sum[max_rows][2];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < 2; ++b) {
      total[r][b] = _mm256_loadu_ps(a->bias + channel + b * 8);
      sum[r][b] = _mm256_setzero_ps();
    }
  }
  size_t left = QUERN_FGEMM_BLOCK; // products that the block has room for
  for (size_t t = 0; t < taps; ++t) {
    const float *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) x[r] = tap_input(a, row + (size_t)r, t);
    for (size_t k = 0; k < elements;) {
      const size_t end = elements - k < left ? elements : k + left;
      left -= end - k;
      for (; k < end; ++k, w += 16) {
        const __m256 low = _mm256_loadu_ps(w), high = _mm256_loadu_ps(w + 8);
        UNROLL for (int r = 0; r < R; ++r) {
          const __m256 input = _mm256_broadcast_ss(x[r] + k);
          sum[r][0] = _mm256_fmadd_ps(input, low, sum[r][0]);
          sum[r][1] = _mm256_fmadd_ps(input, high, sum[r][1]);
        }
      }
      if (left == 0) {
        end_block(total, sum, R);
        left = QUERN_FGEMM_BLOCK;
      }
    }
  }
  if (left != QUERN_FGEMM_BLOCK) end_block(total, sum, R);
  UNROLL for (int r = 0; r < R; ++r) finish_row(a, total[r][0], total[r][1], row + (size_t)r, channel, count);
}

typedef void (*tile_function)(const quern_fgemm_args *, size_t row, size_t channel, size_t count);

#define TILE(R) \
  static void tile_##R(const quern_fgemm_args *a, size_t row, size_t channel, size_t count) { \
    run_tile(a, row, channel, count, R); \
  }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
static const tile_function tiles[max_rows] = {tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};

// Rows are split evenly into passes. The input of a pass stays in the second-level cache while it is multiplied with
// all blocks of weights. It counts as one tap per row, since neighbouring rows share the others.
static size_t count_of_passes(const quern_fgemm_args *a) {
  enum { floats = 64 * 1024, min_rows = 48 };
  const size_t fitting = a->tap_elements ? floats / a->tap_elements : a->rows;
  const size_t passes = a->rows / (fitting > min_rows ? fitting : min_rows);
  return passes > 1 ? passes : 1;
}

void quern_fgemm_avx2(const quern_fgemm_args *a) {
  const size_t passes = count_of_passes(a);
  for (size_t pass = 0; pass < passes; ++pass) {
    const size_t first = a->rows * pass / passes, rows = a->rows * (pass + 1) / passes - first;
    const size_t count_of_tiles = (rows + max_rows - 1) / max_rows;
    for (size_t channel = 0; channel < a->output_channels; channel += 16) {
      const size_t left = a->output_channels - channel, count = left < 16 ? left : 16;
      // Rows are spread evenly over tiles, so that no tile is too small to be fast.
      for (size_t i = 0; i < count_of_tiles; ++i) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        tiles[end - row - 1](a, first + row, channel, count);
      }
    }
  }
}

#pragma clang attribute pop
#endif
