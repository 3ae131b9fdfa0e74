#include "quern_rowlinear.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// Each lane is the sum of one output in the header's order. Two blocks of eight registers, of two rows or of one, are
// in flight to hide the latency of the multiply-add.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 2, max_blocks = 2, registers = 8 };

// Converts 16 weights exactly, by way of float32.
INLINE void load_weights(const int8_t *from, float64x2_t weights[registers]) {
  const int8x16_t bytes = vld1q_s8(from);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  const int32x4_t wide[4] = {vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)),
                             vmovl_high_s16(high)};
  UNROLL for (int i = 0; i < 4; ++i) {
    const float32x4_t floats = vcvtq_f32_s32(wide[i]);
    weights[i * 2] = vcvt_f64_f32(vget_low_f32(floats));
    weights[i * 2 + 1] = vcvt_high_f64_f32(floats);
  }
}

INLINE void finish(const quern_rowlinear_args *a, const float64x2_t acc[registers], size_t row, size_t n) {
  const size_t left = a->outputs - n;
  float *y = a->output + row * a->output_stride + n, floats[16];
  UNROLL for (size_t i = 0; i < registers; ++i) {
    const float64x2_t scale = vcvt_f64_f32(vld1_f32(a->scale + n + i * 2));
    const float64x2_t bias = vcvt_f64_f32(vld1_f32(a->bias + n + i * 2));
    vst1_f32((left >= 16 ? y : floats) + i * 2, vcvt_f32_f64(vfmaq_f64(bias, acc[i], scale)));
  }
  if (left < 16) memcpy(y, floats, left * sizeof(float));
}

INLINE void run_tile(const quern_rowlinear_args *a, size_t row, size_t output, int R, int B) {
  const size_t inputs = a->inputs;
  const int8_t *w = a->weights + output * inputs;
  const float *x = a->input + row * a->input_stride;
  float64x2_t acc[max_rows][max_blocks][registers];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) {
      UNROLL for (int i = 0; i < registers; ++i) acc[r][b][i] = vdupq_n_f64(0);
    }
  }
  for (size_t k = 0; k < inputs; ++k, w += 16) {
    UNROLL for (int b = 0; b < B; ++b) {
      float64x2_t weights[registers];
      load_weights(w + (size_t)b * inputs * 16, weights);
      UNROLL for (int r = 0; r < R; ++r) {
        const double input = (double)x[(size_t)r * a->input_stride + k];
        UNROLL for (int i = 0; i < registers; ++i) acc[r][b][i] = vfmaq_n_f64(acc[r][b][i], weights[i], input);
      }
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) finish(a, acc[r][b], row + (size_t)r, output + (size_t)b * 16);
  }
}

void quern_rowlinear_neon(const quern_rowlinear_args *a) {
  const size_t padded = (a->outputs + 15) / 16 * 16;
  size_t row = 0;
  for (; row + 2 <= a->rows; row += 2) {
    for (size_t output = 0; output < padded; output += 16) run_tile(a, row, output, 2, 1);
  }
  for (; row < a->rows; ++row) {
    size_t output = 0;
    for (; output + 32 <= padded; output += 32) run_tile(a, row, output, 1, 2);
    for (; output < padded; output += 16) run_tile(a, row, output, 1, 1);
  }
}
#endif
