#include "quern_igemm.h"

#if defined(__x86_64__)

#include <string.h>

#include "../requantise/x86_avxvnni.h"
#include "x86_store.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target(QUERN_AVXVNNI_TARGET))), apply_to = function)

// A tile is R rows x B blocks of 16 channels in R * B * 2 registers, at most 12 of the 16. For each 4 bytes of a tap,
// one broadcast per row and two loads per block feed R * B * 2 vpdpbusd.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 6, max_blocks = 2 };

INLINE __m256i load(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }

// Computes the sums of a tile.
INLINE void multiply(const quern_igemm_args *a, quern_igemm_plane p, __m256i acc[max_rows][max_blocks][2], size_t row,
                     size_t channel, int R, int B) {
  const size_t taps = a->taps, steps = (a->tap_bytes + 3) / 4 * 4, block_bytes = taps * steps * 16;
  const int8_t *w = a->weights + channel / 16 * block_bytes;
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) {
      acc[r][b][0] = load(p.bias + channel + b * 16);
      acc[r][b][1] = load(p.bias + channel + b * 16 + 8);
    }
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = quern_igemm_tap(a, p, row + (size_t)r, t);
    }
    for (size_t k = 0; k < steps; k += 4, w += 64) {
      __m256i weights[max_blocks][2];
      UNROLL for (int b = 0; b < B; ++b) {
        weights[b][0] = load(w + b * block_bytes);
        weights[b][1] = load(w + b * block_bytes + 32);
      }
      UNROLL for (int r = 0; r < R; ++r) {
        int32_t bytes;
        memcpy(&bytes, x[r] + k, 4);
        const __m256i input = _mm256_set1_epi32(bytes);
        UNROLL for (int b = 0; b < B; ++b) {
          acc[r][b][0] = quern_dot_256(acc[r][b][0], input, weights[b][0]);
          acc[r][b][1] = quern_dot_256(acc[r][b][1], input, weights[b][1]);
        }
      }
    }
  }
}

INLINE void run_tile(const quern_igemm_args *a, const quern_bounds_256 *bounds, size_t row, size_t channel, int R, int B) {
  __m256i acc[max_rows][max_blocks][2];
  float parts[max_rows][max_blocks][16];
  if (a->remainders.input) {
    multiply(a, quern_igemm_remainder_plane(a), acc, row, channel, R, B);
    UNROLL for (int r = 0; r < R; ++r) {
      UNROLL for (int b = 0; b < B; ++b) {
        quern_igemm_part_256(a, acc[r][b][0], acc[r][b][1], channel + (size_t)b * 16, parts[r][b]);
      }
    }
  }
  multiply(a, quern_igemm_levels(a), acc, row, channel, R, B);
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) {
      const size_t first = channel + (size_t)b * 16, left = a->output_channels - first, count = left < 16 ? left : 16;
      quern_igemm_store_256(a, bounds, acc[r][b][0], acc[r][b][1], parts[r][b], row + (size_t)r, first, count);
    }
  }
}

typedef void (*tile_function)(const quern_igemm_args *, const quern_bounds_256 *, size_t row, size_t channel);

#define TILE(R, B) \
  static void tile_##R##x##B(const quern_igemm_args *a, const quern_bounds_256 *bounds, size_t row, size_t channel) { \
    run_tile(a, bounds, row, channel, R, B); \
  }
TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2)

static const tile_function tiles[max_blocks][max_rows] = {
    {tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1}, {tile_1x2, tile_2x2, tile_3x2}};
static const size_t tile_rows[max_blocks] = {6, 3};

// The number of rows whose input stays in the second-level cache while it is multiplied with all blocks of weights.
static size_t rows_per_pass(const quern_igemm_args *a) {
  enum { bytes = 256 * 1024, min_rows = 48 };
  const size_t rows = a->tap_bytes ? bytes / a->tap_bytes : a->rows;
  return rows > min_rows ? rows : min_rows;
}

void quern_igemm_avxvnni(const quern_igemm_args *a) {
  const quern_bounds_256 bounds = quern_bounds_256_make(a->output_zero_point, a->output_min, a->output_max);
  const size_t blocks = (a->output_channels + 15) / 16, pass = rows_per_pass(a);
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t rows = a->rows - first < pass ? a->rows - first : pass;
    const size_t wide = rows <= tile_rows[1] ? 2 : 1; // with few rows, two blocks at once keep enough sums in flight
    for (size_t block = 0, width; block < blocks; block += width) {
      width = blocks - block < wide ? blocks - block : wide;
      // Rows are spread evenly over tiles, so that no tile is too small to be fast.
      const size_t count_of_tiles = (rows + tile_rows[width - 1] - 1) / tile_rows[width - 1];
      for (size_t i = 0; i < count_of_tiles; ++i) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        tiles[width - 1][end - row - 1](a, &bounds, first + row, block * 16);
      }
    }
  }
}

#pragma clang attribute pop
#endif
