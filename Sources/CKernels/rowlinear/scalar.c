#include <math.h>

#include "quern_rowlinear.h"

#pragma STDC FP_CONTRACT OFF

// The reference. fmaf rounds once, on processors without the instruction, too.
void quern_rowlinear_scalar(const quern_rowlinear_args *a) {
  for (size_t row = 0; row < a->rows; ++row) {
    const float *x = a->input + row * a->input_stride;
    for (size_t n = 0; n < a->outputs; ++n) {
      const int8_t *weights = a->weights + n / 16 * a->inputs * 16 + n % 16;
      float acc = 0;
      for (size_t k = 0; k < a->inputs; ++k) acc = fmaf(x[k], (float)weights[k * 16], acc);
      a->output[row * a->output_stride + n] = fmaf(acc, a->scale[n], a->bias[n]);
    }
  }
}
