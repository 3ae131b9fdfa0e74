#include "../requantise/scalar.h"
#include "quern_depthwise.h"

#pragma STDC FP_CONTRACT OFF

// The reference. Sums are unsigned because intermediate sums may wrap.
void quern_depthwise_scalar(const quern_depthwise_args *a) {
  const size_t block_size = (a->taps + 3) / 4 * 64;
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * a->taps;
    for (size_t c = 0; c < a->channels; ++c) {
      const int8_t *weights = a->weights + c / 16 * block_size + c % 16 * 4;
      uint32_t acc = (uint32_t)a->bias[c];
      for (size_t t = 0; t < a->taps; ++t) {
        acc += (uint32_t)((int32_t)(a->input + offsets[t])[c] * weights[t / 4 * 64 + t % 4]);
      }
      const size_t at = row * a->output_stride + c;
      float real = (float)(int32_t)acc * a->multiplier[c];
      if (a->addend) real = real + a->addend[at];
      if (a->output_f32) {
        a->output_f32[at] = real;
      } else {
        a->output[at] = quern_requantise(real, a->output_zero_point, a->output_min, a->output_max);
      }
    }
  }
}
