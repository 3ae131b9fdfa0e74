#include "quern_igemm.h"

#if defined(__aarch64__)

#include <string.h>

#include "arm_store.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

// A tile is R rows x 16 channels in R * 4 registers of 4 channels. One load per row gets 16 bytes of a tap; each of
// their four groups is a lane that sdot multiplies with the weights of the group.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4 };

// A macro because the lane must be a constant.
#define ADD_GROUP(lane) \
  do { \
    int8x16_t weights[4]; \
    UNROLL for (int i = 0; i < 4; ++i) weights[i] = vld1q_s8(w + lane * 64 + i * 16); \
    UNROLL for (int r = 0; r < R; ++r) { \
      UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = vdotq_laneq_s32(acc[r][i], weights[i], input[r], lane); \
    } \
  } while (0)

// Computes the sums of a tile.
INLINE void multiply(const quern_igemm_args *a, quern_igemm_plane p, const int32x4_t start[4],
                     int32x4_t acc[max_rows][4], size_t row, size_t channel, int R) {
  const size_t taps = a->taps, steps = (a->tap_bytes + 3) / 4 * 4;
  const int8_t *w = a->weights + channel / 16 * taps * steps * 16;
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = start[i];
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = quern_igemm_tap(a, p, row + (size_t)r, t);
    }
    int8x16_t input[max_rows];
    size_t k = 0;
    for (; k + 16 <= steps; k += 16, w += 256) {
      UNROLL for (int r = 0; r < R; ++r) input[r] = quern_signed_neon(vld1q_u8(x[r] + k));
      ADD_GROUP(0);
      ADD_GROUP(1);
      ADD_GROUP(2);
      ADD_GROUP(3);
    }
    for (; k < steps; k += 4, w += 64) {
      UNROLL for (int r = 0; r < R; ++r) {
        uint32_t bytes;
        memcpy(&bytes, x[r] + k, sizeof bytes);
        input[r] = quern_signed_neon(vreinterpretq_u8_u32(vdupq_n_u32(bytes)));
      }
      ADD_GROUP(0);
    }
  }
}

INLINE void run_tile(const quern_igemm_args *a, const quern_bounds_neon *bounds, const quern_igemm_start_neon *start,
                     size_t row, size_t channel, size_t count, int R) {
  int32x4_t acc[max_rows][4];
  float parts[max_rows][16];
  if (a->remainders.input) {
    multiply(a, quern_igemm_remainder_plane(a), start->remainders, acc, row, channel, R);
    UNROLL for (int r = 0; r < R; ++r) quern_igemm_part_neon(a, acc[r], channel, parts[r]);
  }
  multiply(a, quern_igemm_levels(a), start->levels, acc, row, channel, R);
  UNROLL for (int r = 0; r < R; ++r) {
    quern_igemm_store_neon(a, bounds, acc[r], parts[r], row + (size_t)r, channel, count);
  }
}

typedef void (*tile_function)(const quern_igemm_args *, const quern_bounds_neon *, const quern_igemm_start_neon *start,
                              size_t row, size_t channel, size_t count);

#define TILE(R) \
  static void tile_##R(const quern_igemm_args *a, const quern_bounds_neon *bounds, \
                       const quern_igemm_start_neon *start, size_t row, size_t channel, size_t count) { \
    run_tile(a, bounds, start, row, channel, count, R); \
  }
TILE(1) TILE(2) TILE(3) TILE(4)

static const tile_function tiles[max_rows] = {tile_1, tile_2, tile_3, tile_4};

void quern_igemm_neondot(const quern_igemm_args *a) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(a->output_zero_point, a->output_min, a->output_max);
  const size_t pass = quern_igemm_rows_per_pass_neon(a), groups = a->taps * ((a->tap_bytes + 3) / 4);
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t rows = a->rows - first < pass ? a->rows - first : pass, count_of_tiles = (rows + max_rows - 1) / max_rows;
    for (size_t channel = 0; channel < a->output_channels; channel += 16) {
      const size_t left = a->output_channels - channel, count = left < 16 ? left : 16;
      const quern_igemm_start_neon start = quern_igemm_start_neon_make(a, channel, groups);
      // Rows are spread evenly over tiles, so that no tile is too small to be fast.
      for (size_t i = 0; i < count_of_tiles; ++i) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        tiles[end - row - 1](a, &bounds, &start, first + row, channel, count);
      }
    }
  }
}

#pragma clang attribute pop
#endif
