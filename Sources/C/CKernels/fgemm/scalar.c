#include <math.h>
#include "../clamp/clamp.h"

#include "../requantise/scalar.h"
#include "quern_fgemm.h"

#pragma STDC FP_CONTRACT OFF

// The reference: every other tier gives these bits.

static const float *tap_input(const quern_fgemm_args *a, size_t row, size_t tap) {
  if (!a->offsets) return a->input + row * a->input_stride;
  const int32_t offset = a->offsets[row * a->taps + tap];
  return offset < 0 ? a->zeros : a->input + offset;
}

static void add(float total[16], float sum[16]) {
  for (size_t n = 0; n < 16; ++n) {
    total[n] += sum[n];
    sum[n] = 0;
  }
}

static void accumulate(const quern_fgemm_args *a, size_t row, size_t block, float total[16]) {
  const float *w = a->weights + block * a->taps * a->tap_elements * 16;
  float sum[16] = {0};
  for (size_t n = 0; n < 16; ++n) total[n] = a->bias[block * 16 + n];
  size_t summed = 0;
  for (size_t t = 0; t < a->taps; ++t) {
    const float *x = tap_input(a, row, t);
    for (size_t k = 0; k < a->tap_elements; ++k, w += 16) {
      for (size_t n = 0; n < 16; ++n) sum[n] = fmaf(x[k], w[n], sum[n]);
      if (++summed % QUERN_FGEMM_BLOCK == 0) add(total, sum);
    }
  }
  if (summed % QUERN_FGEMM_BLOCK != 0) add(total, sum);
}

void quern_fgemm_scalar(const quern_fgemm_args *a) {
  for (size_t first = 0; first < a->output_channels; first += 16) {
    const size_t count = a->output_channels - first < 16 ? a->output_channels - first : 16;
    for (size_t row = 0; row < a->rows; ++row) {
      float total[16];
      accumulate(a, row, first / 16, total);
      float *y = a->output + row * a->output_stride + first;
      for (size_t n = 0; n < count; ++n) {
        const float y_n = a->residual ? total[n] + a->residual[row * a->residual_stride + first + n] : total[n];
        y[n] = quern_clamped(y_n, &a->clamp);
      }
    }
  }
}
