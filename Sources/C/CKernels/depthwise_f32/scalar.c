#include <math.h>
#include "../clamp/clamp.h"

#include "../requantise/scalar.h"
#include "quern_depthwise_f32.h"

#pragma STDC FP_CONTRACT OFF

void quern_depthwise_f32_scalar(const quern_depthwise_f32_args *a) {
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * a->taps;
    float *y = a->output + row * a->output_stride;
    for (size_t c = 0; c < a->channels; ++c) {
      float acc = a->bias[c];
      for (size_t t = 0; t < a->taps; ++t) {
        if (offsets[t] >= 0) acc = fmaf(a->input[(size_t)offsets[t] + c], a->weights[t * a->channels + c], acc);
      }
      y[c] = quern_clamped(acc, &a->clamp);
    }
  }
}
