#include "functions.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>

#pragma STDC FP_CONTRACT OFF

// Computes whole vectors of channels; the scalar tier computes the remaining ones.

static void max_u8_row(const uint8_t *x, const int32_t *offsets, size_t taps, size_t channels, uint8_t *y) {
  for (size_t c = 0; c < channels; c += 16) {
    uint8x16_t best = vdupq_n_u8(0);
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] >= 0) best = vmaxq_u8(best, vld1q_u8(x + offsets[t] + c));
    }
    vst1q_u8(y + c, best);
  }
}

void quern_max_u8_neon(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, uint8_t *y,
                       size_t y_stride) {
  const size_t whole = channels / 16 * 16;
  for (size_t row = 0; row < rows; ++row) max_u8_row(x, offsets + row * taps, taps, whole, y + row * y_stride);
  if (whole < channels) quern_max_u8_scalar(x + whole, offsets, rows, taps, channels - whole, y + whole, y_stride);
}

static void max_f32_row(const float *x, const int32_t *offsets, size_t taps, size_t channels, float *y) {
  for (size_t c = 0; c < channels; c += 4) {
    float32x4_t best = vdupq_n_f32(-INFINITY);
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const float32x4_t value = vld1q_f32(x + offsets[t] + c);
      const uint32x4_t larger = vcgtq_f32(value, best), number = vceqq_f32(value, value);
      best = vbslq_f32(vornq_u32(larger, number), value, best);
    }
    vst1q_f32(y + c, best);
  }
}

void quern_max_f32_neon(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                        size_t y_stride) {
  const size_t whole = channels / 4 * 4;
  for (size_t row = 0; row < rows; ++row) max_f32_row(x, offsets + row * taps, taps, whole, y + row * y_stride);
  if (whole < channels) quern_max_f32_scalar(x + whole, offsets, rows, taps, channels - whole, y + whole, y_stride);
}

static float32x4_t look_up(const float *table, const uint8_t *index) {
  const float values[4] = {table[index[0]], table[index[1]], table[index[2]], table[index[3]]};
  return vld1q_f32(values);
}

void quern_table_sum_neon(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table,
                          float *sums) {
  const size_t whole = channels / 8 * 8;
  for (size_t c = 0; c < whole; c += 8) {
    float32x4_t low = vld1q_f32(sums + c), high = vld1q_f32(sums + c + 4);
    for (size_t i = 0; i < count; ++i) {
      const uint8_t *index = x + i * stride + c;
      low = vaddq_f32(low, look_up(table, index));
      high = vaddq_f32(high, look_up(table, index + 4));
    }
    vst1q_f32(sums + c, low);
    vst1q_f32(sums + c + 4, high);
  }
  quern_table_sum_scalar(x + whole, count, stride, channels - whole, table, sums + whole);
}

typedef struct {
  uint32x4_t low, high;
} pair;

static inline pair add_bytes(pair sum, const uint8_t *x) {
  const uint16x8_t words = vmovl_u8(vld1_u8(x));
  return (pair){vaddw_u16(sum.low, vget_low_u16(words)), vaddw_high_u16(sum.high, words)};
}

void quern_sum_u8_neon(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums) {
  const size_t whole = channels / 8 * 8;
  for (size_t c = 0; c < whole; c += 8) {
    pair sum = {vld1q_u32(sums + c), vld1q_u32(sums + c + 4)};
    for (size_t i = 0; i < count; ++i) sum = add_bytes(sum, x + i * stride + c);
    vst1q_u32(sums + c, sum.low);
    vst1q_u32(sums + c + 4, sum.high);
  }
  quern_sum_u8_scalar(x + whole, count, stride, channels - whole, sums + whole);
}

void quern_sum_f32_neon(const float *x, size_t count, size_t stride, size_t channels, double *sums) {
  const size_t whole = channels / 4 * 4;
  for (size_t c = 0; c < whole; c += 4) {
    float64x2_t low = vld1q_f64(sums + c), high = vld1q_f64(sums + c + 2);
    for (size_t i = 0; i < count; ++i) {
      const float32x4_t values = vld1q_f32(x + i * stride + c);
      low = vaddq_f64(low, vcvt_f64_f32(vget_low_f32(values)));
      high = vaddq_f64(high, vcvt_high_f64_f32(values));
    }
    vst1q_f64(sums + c, low);
    vst1q_f64(sums + c + 2, high);
  }
  quern_sum_f32_scalar(x + whole, count, stride, channels - whole, sums + whole);
}

static uint16x4_t mean(uint32x4_t sum, float32x4_t divisor) {
  return vqmovun_s32(vcvtnq_s32_f32(vdivq_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(sum)), divisor)));
}

void quern_average_u8_neon(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels,
                           int32_t zero_point, uint8_t *y, size_t y_stride) {
  const size_t whole = channels / 8 * 8;
  for (size_t row = 0; row < rows; ++row) {
    const int32_t *from = offsets + row * taps;
    const quern_taps found = quern_count_taps(from, taps);
    const float32x4_t divisor = vdupq_n_f32((float)found.count);
    const uint32x4_t start = vdupq_n_u32((uint32_t)zero_point * (uint32_t)found.zeros);
    for (size_t c = 0; c < whole; c += 8) {
      pair sum = {start, start};
      for (size_t t = 0; t < taps; ++t) {
        if (from[t] >= 0) sum = add_bytes(sum, x + from[t] + c);
      }
      const uint16x8_t means = vcombine_u16(mean(sum.low, divisor), mean(sum.high, divisor));
      vst1_u8(y + row * y_stride + c, vqmovn_u16(means));
    }
  }
  if (whole < channels) {
    quern_average_u8_scalar(x + whole, offsets, rows, taps, channels - whole, zero_point, y + whole, y_stride);
  }
}

void quern_average_f32_neon(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                            size_t y_stride) {
  const size_t whole = channels / 4 * 4;
  for (size_t row = 0; row < rows; ++row) {
    const int32_t *from = offsets + row * taps;
    const float32x4_t divisor = vdupq_n_f32((float)quern_count_taps(from, taps).count);
    for (size_t c = 0; c < whole; c += 4) {
      float32x4_t sum = vdupq_n_f32(0);
      for (size_t t = 0; t < taps; ++t) {
        if (from[t] >= 0) sum = vaddq_f32(sum, vld1q_f32(x + from[t] + c));
      }
      vst1q_f32(y + row * y_stride + c, vdivq_f32(sum, divisor));
    }
  }
  if (whole < channels) {
    quern_average_f32_scalar(x + whole, offsets, rows, taps, channels - whole, y + whole, y_stride);
  }
}
#endif
