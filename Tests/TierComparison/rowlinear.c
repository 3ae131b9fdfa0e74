#include "comparison.h"
#include "quern_rowlinear.h"

#pragma STDC FP_CONTRACT OFF

// Large values that cancel later, small ones between: what is left depends on the order of the sum.
static void make_cancelling(random_source *random, float *x, size_t count) {
  for (size_t k = 0; k + 3 <= count; k += 3) {
    x[k] = random_float(random, 1, 2) * 0x1p60f;
    x[k + 2] = -x[k];
  }
}

void compare_rowlinear(uint64_t seed) {
  begin_problem("rowlinear", seed);
  random_source random = {seed};
  quern_rowlinear_args a = {0};
  a.rows = (size_t)random_int(&random, 1, 9);
  a.inputs = (size_t)random_int(&random, 1, 200);
  a.outputs = (size_t)random_int(&random, 1, 150);
  a.input_stride = a.inputs + 3;
  a.output_stride = a.outputs + 5;
  const int32_t rarity = random_chance(&random, 4) ? 100 : 0;
  float *input = guarded_floats(&random, a.rows * a.input_stride - 3, -3, 3, rarity);
  const bool cancels = random_chance(&random, 4);
  if (cancels) make_cancelling(&random, input, a.rows * a.input_stride - 3);
  a.input = input;
  const int8_t *weights = guarded_weights(&random, a.outputs * a.inputs, cancels, a.inputs);
  int8_t *packed = guarded(quern_rowlinear_packed_size(a.outputs, a.inputs));
  quern_rowlinear_pack(weights, a.outputs, a.inputs, packed);
  a.weights = packed;
  const size_t padded = (a.outputs + 15) / 16 * 16;
  a.scale = guarded_floats(&random, padded, 0, 0.1f, 0);
  a.bias = guarded_floats(&random, padded, -1, 1, 0);
  describe("%zu rows, %zu inputs, %zu outputs", a.rows, a.inputs, a.outputs);
  output out = make_output(F32, a.rows * a.output_stride);
  FOR_EACH_TIER(rowlinear, {
    a.output = blank(&out, scalar);
    kernel->run(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "product");
  })
}
