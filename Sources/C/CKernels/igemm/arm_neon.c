#include "quern_igemm.h"

#if defined(__aarch64__)

#include <string.h>

#include "arm_store.h"

#pragma STDC FP_CONTRACT OFF

// Products of signed bytes, of magnitude 128 * 127 at most, fit in int16, and so do sums of two of them. A tile is R
// rows x 16 channels in R * 8 registers. Each register has two partial sums for two channels, added at the end.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 2 };

// Loads 4 bytes of a tap, repeated four times.
INLINE int8x16_t load_input(const uint8_t *x) {
  uint32_t bytes;
  memcpy(&bytes, x, sizeof bytes);
  return quern_signed_neon(vreinterpretq_u8_u32(vdupq_n_u32(bytes)));
}

// Adds two groups of 4 bytes for one row; `w` are the weights of both groups.
INLINE void add_two_groups(int32x4_t acc[8], int8x16_t first, int8x16_t second, const int8x16_t w[8]) {
  UNROLL for (int i = 0; i < 4; ++i) {
    int16x8_t low = vmull_s8(vget_low_s8(w[i]), vget_low_s8(first)), high = vmull_high_s8(w[i], first);
    low = vmlal_s8(low, vget_low_s8(w[i + 4]), vget_low_s8(second));
    high = vmlal_high_s8(high, w[i + 4], second);
    acc[i * 2] = vpadalq_s16(acc[i * 2], low);
    acc[i * 2 + 1] = vpadalq_s16(acc[i * 2 + 1], high);
  }
}

INLINE void add_group(int32x4_t acc[8], int8x16_t input, const int8x16_t w[4]) {
  UNROLL for (int i = 0; i < 4; ++i) {
    acc[i * 2] = vpadalq_s16(acc[i * 2], vmull_s8(vget_low_s8(w[i]), vget_low_s8(input)));
    acc[i * 2 + 1] = vpadalq_s16(acc[i * 2 + 1], vmull_high_s8(w[i], input));
  }
}

// Computes the sums of a tile.
INLINE void multiply(const quern_igemm_args *a, quern_igemm_plane p, const int32x4_t start[4],
                     int32x4_t sums[max_rows][4], size_t row, size_t channel, int R) {
  const size_t taps = a->taps, groups = (a->tap_bytes + 3) / 4;
  const int8_t *w = a->weights + channel / 16 * taps * groups * 64;
  int32x4_t acc[max_rows][8];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 8; ++i) acc[r][i] = vdupq_n_s32(0);
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = quern_igemm_tap(a, p, row + (size_t)r, t);
    }
    int8x16_t weights[8];
    size_t g = 0;
    for (; g + 2 <= groups; g += 2, w += 128) {
      UNROLL for (int i = 0; i < 8; ++i) weights[i] = vld1q_s8(w + i * 16);
      UNROLL for (int r = 0; r < R; ++r) {
        add_two_groups(acc[r], load_input(x[r] + g * 4), load_input(x[r] + g * 4 + 4), weights);
      }
    }
    if (g < groups) {
      UNROLL for (int i = 0; i < 4; ++i) weights[i] = vld1q_s8(w + i * 16);
      UNROLL for (int r = 0; r < R; ++r) add_group(acc[r], load_input(x[r] + g * 4), weights);
      w += 64;
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 4; ++i) sums[r][i] = vaddq_s32(vpaddq_s32(acc[r][i * 2], acc[r][i * 2 + 1]), start[i]);
  }
}

INLINE void run_tile(const quern_igemm_args *a, const quern_bounds_neon *bounds, const quern_igemm_start_neon *start,
                     size_t row, size_t channel, size_t count, int R) {
  int32x4_t sums[max_rows][4];
  float parts[max_rows][16];
  if (a->remainders.input) {
    multiply(a, quern_igemm_remainder_plane(a), start->remainders, sums, row, channel, R);
    UNROLL for (int r = 0; r < R; ++r) quern_igemm_part_neon(a, sums[r], channel, parts[r]);
  }
  multiply(a, quern_igemm_levels(a), start->levels, sums, row, channel, R);
  UNROLL for (int r = 0; r < R; ++r) {
    quern_igemm_store_neon(a, bounds, sums[r], parts[r], row + (size_t)r, channel, count);
  }
}

void quern_igemm_neon(const quern_igemm_args *a) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(a->output_zero_point, a->output_min, a->output_max);
  const size_t pass = quern_igemm_rows_per_pass_neon(a), groups = a->taps * ((a->tap_bytes + 3) / 4);
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t end = a->rows - first < pass ? a->rows : first + pass;
    for (size_t channel = 0; channel < a->output_channels; channel += 16) {
      const size_t left = a->output_channels - channel, count = left < 16 ? left : 16;
      const quern_igemm_start_neon start = quern_igemm_start_neon_make(a, channel, groups);
      size_t row = first;
      for (; row + 2 <= end; row += 2) run_tile(a, &bounds, &start, row, channel, count, 2);
      if (row < end) run_tile(a, &bounds, &start, row, channel, count, 1);
    }
  }
}
#endif
