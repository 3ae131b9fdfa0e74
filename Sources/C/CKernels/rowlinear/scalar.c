#include <math.h>

#include "quern_rowlinear.h"

#pragma STDC FP_CONTRACT OFF

// The reference. fma rounds once, even on processors without the instruction.
void quern_rowlinear_scalar(const quern_rowlinear_args *a) {
  for (size_t row = 0; row < a->rows; ++row) {
    const float *x = a->input + row * a->input_stride;
    for (size_t n = 0; n < a->outputs; ++n) {
      const int8_t *weights = a->weights + n / 16 * a->inputs * 16 + n % 16;
      double acc = 0;
      for (size_t k = 0; k < a->inputs; ++k) acc += (double)x[k] * (double)weights[k * 16];
      a->output[row * a->output_stride + n] = (float)fma(acc, (double)a->scale[n], (double)a->bias[n]);
    }
  }
}
