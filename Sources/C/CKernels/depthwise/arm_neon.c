#include "quern_depthwise.h"

#if defined(__aarch64__)

#include "arm_store.h"

#pragma STDC FP_CONTRACT OFF

// 16 channels and up to 4 rows at once. A structure load separates the weights of a group by taps. Products of signed
// bytes, of magnitude 128 * 127 at most, fit in int16, and so do sums of two of them.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4 };

INLINE void add_two_taps(int32x4_t acc[4], int8x16_t x0, int8x16_t w0, int8x16_t x1, int8x16_t w1) {
  const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(x0), vget_low_s8(w0)), vget_low_s8(x1), vget_low_s8(w1));
  const int16x8_t high = vmlal_high_s8(vmull_high_s8(x0, w0), x1, w1);
  acc[0] = vaddw_s16(acc[0], vget_low_s16(low));
  acc[1] = vaddw_high_s16(acc[1], low);
  acc[2] = vaddw_s16(acc[2], vget_low_s16(high));
  acc[3] = vaddw_high_s16(acc[3], high);
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
  for (size_t t = 0; t < taps; t += 4, w += 64) {
    const int8x16x4_t weights = vld4q_s8(w);
    const size_t last = taps - 1;
    const size_t t1 = t + 1 < last ? t + 1 : last, t2 = t + 2 < last ? t + 2 : last, t3 = t + 3 < last ? t + 3 : last;
    UNROLL for (int r = 0; r < R; ++r) {
      const int32_t *o = offsets + (size_t)r * taps;
      add_two_taps(acc[r], quern_depthwise_load_neon(input + o[t], count), weights.val[0],
                   quern_depthwise_load_neon(input + o[t1], count), weights.val[1]);
      if (t + 2 > last) continue;
      add_two_taps(acc[r], quern_depthwise_load_neon(input + o[t2], count), weights.val[2],
                   quern_depthwise_load_neon(input + o[t3], count), weights.val[3]);
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

void quern_depthwise_neon(const quern_depthwise_args *a) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(a->output_zero_point, a->output_min, a->output_max);
  size_t channel = 0;
  for (; channel + 16 <= a->channels; channel += 16) run_rows(a, &bounds, channel, 16);
  if (channel < a->channels) run_rows(a, &bounds, channel, a->channels - channel);
}
#endif
