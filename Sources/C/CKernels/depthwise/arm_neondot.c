#include "quern_depthwise.h"

#if defined(__aarch64__)

#include "arm_store.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

// 16 channels and up to 4 rows at once. Four taps of 16 bytes are interleaved to [16 channels][4 taps], as the weights
// are packed, and sdot sums a channel's four products.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4 };

INLINE void interleave(const int8x16_t x[4], int8x16_t out[4]) {
  const int16x8_t ab_low = vreinterpretq_s16_s8(vzip1q_s8(x[0], x[1]));
  const int16x8_t ab_high = vreinterpretq_s16_s8(vzip2q_s8(x[0], x[1]));
  const int16x8_t cd_low = vreinterpretq_s16_s8(vzip1q_s8(x[2], x[3]));
  const int16x8_t cd_high = vreinterpretq_s16_s8(vzip2q_s8(x[2], x[3]));
  out[0] = vreinterpretq_s8_s16(vzip1q_s16(ab_low, cd_low));
  out[1] = vreinterpretq_s8_s16(vzip2q_s16(ab_low, cd_low));
  out[2] = vreinterpretq_s8_s16(vzip1q_s16(ab_high, cd_high));
  out[3] = vreinterpretq_s8_s16(vzip2q_s16(ab_high, cd_high));
}

INLINE void run_tile(const quern_depthwise_args *a, const quern_bounds_neon *bounds, const int32x4_t start[4],
                     size_t row, size_t channel, size_t count, int R) {
  const size_t taps = a->taps, groups = (taps + 3) / 4;
  const uint8_t *input = a->input + channel;
  const int8_t *w = a->weights + channel / 16 * groups * 64;
  const int32_t *offsets = a->offsets + row * taps;
  int32x4_t acc[max_rows][4];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = start[i];
  }
  for (size_t g = 0; g < groups; ++g, w += 64) {
    int8x16_t weights[4];
    UNROLL for (int i = 0; i < 4; ++i) weights[i] = vld1q_s8(w + i * 16);
    UNROLL for (int r = 0; r < R; ++r) {
      int8x16_t tap[4], x[4];
      UNROLL for (size_t i = 0; i < 4; ++i) {
        const size_t t = g * 4 + i < taps ? g * 4 + i : taps - 1;
        tap[i] = quern_depthwise_load_neon(input + offsets[(size_t)r * taps + t], count);
      }
      interleave(tap, x);
      UNROLL for (int i = 0; i < 4; ++i) acc[r][i] = vdotq_s32(acc[r][i], x[i], weights[i]);
    }
  }
  UNROLL for (size_t r = 0; r < (size_t)R; ++r) quern_depthwise_store_neon(a, bounds, acc[r], row + r, channel, count);
}

INLINE void run_rows(const quern_depthwise_args *a, const quern_bounds_neon *bounds, size_t channel, size_t count) {
  const size_t groups = (a->taps + 3) / 4;
  int32x4_t start[4];
  quern_signed_bias_neon(a->bias + channel, a->weights + channel / 16 * groups * 64, groups, start);
  size_t row = 0;
  for (; row + max_rows <= a->rows; row += max_rows) run_tile(a, bounds, start, row, channel, count, max_rows);
  for (; row < a->rows; ++row) run_tile(a, bounds, start, row, channel, count, 1);
}

void quern_depthwise_neondot(const quern_depthwise_args *a) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(a->output_zero_point, a->output_min, a->output_max);
  size_t channel = 0;
  for (; channel + 16 <= a->channels; channel += 16) run_rows(a, &bounds, channel, 16);
  if (channel < a->channels) run_rows(a, &bounds, channel, a->channels - channel);
}

#pragma clang attribute pop
#endif
