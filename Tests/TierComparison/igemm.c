#include "comparison.h"
#include "quern_igemm.h"

#pragma STDC FP_CONTRACT OFF

static void set_shape(random_source *random, quern_igemm_args *a, bool uses_offsets, bool extreme) {
  a->rows = (size_t)random_int(random, 1, 20);
  a->taps = (size_t)(uses_offsets ? random_int(random, 1, 10) : 1);
  a->tap_bytes = (size_t)random_int(random, 1, extreme ? 1500 : 150);
  a->output_channels = (size_t)random_int(random, 1, extreme ? 40 : 150);
  if (random_chance(random, 40)) { // more rows than a pass over the weights takes
    a->rows = (size_t)random_int(random, 100, 160);
    a->taps = 1;
    a->tap_bytes = 4096;
    a->output_channels = (size_t)random_int(random, 1, 40);
  }
  a->input_stride = a->tap_bytes + (size_t)random_int(random, 0, 7);
}

static void set_epilogue(random_source *random, quern_igemm_args *a) {
  a->store = random_chance(random, 2) ? QUERN_STORE_U8 : QUERN_STORE_F32;
  a->clamp = random_clamp(random);
  const output_range range = random_range(random);
  a->output_zero_point = range.zero_point;
  a->output_min = range.least;
  a->output_max = range.most;
  a->output_stride = a->output_channels + 5;
  a->residual_stride = a->output_channels + 3;
  a->residual_multiplier = random_float(random, 0, 2);
  a->residual_zero_point = random_int(random, -50, 300);
  const size_t count = a->rows * a->residual_stride - 3;
  const int32_t residual = random_int(random, 0, 2);
  if (residual == 1) a->residual = guarded_bytes(random, count, false);
  if (residual == 1 && random_chance(random, 2)) {
    a->residual_remainder = guarded_bytes(random, count, false);
  }
  if (residual == 2) a->residual_f32 = guarded_floats(random, count, -100, 100, 50);
}

void compare_igemm(uint64_t seed) {
  begin_problem("igemm", seed);
  random_source random = {seed};
  quern_igemm_args a = {0};
  const bool extreme = random_chance(&random, 8), uses_offsets = !random_chance(&random, 3);
  set_shape(&random, &a, uses_offsets, extreme);
  const int32_t slack = random_int(&random, 0, 500);
  const size_t input_bytes = uses_offsets ? a.tap_bytes + (size_t)slack : a.rows * a.input_stride;
  a.input = guarded_bytes(&random, input_bytes + 64, extreme);
  if (uses_offsets) a.offsets = guarded_ints(&random, a.rows * a.taps, 0, slack);
  const size_t depth = a.taps * a.tap_bytes, padded = (a.output_channels + 15) / 16 * 16;
  const int8_t *weights = guarded_weights(&random, a.output_channels * depth, extreme, depth);
  int8_t *packed = guarded(quern_igemm_packed_size(a.output_channels, a.taps, a.tap_bytes));
  quern_igemm_pack(weights, a.output_channels, a.taps, a.tap_bytes, packed);
  a.weights = packed;
  const int32_t bound = extreme ? 1600000000 : 100000;
  a.bias = guarded_ints(&random, padded, -bound, bound);
  const float scale = 1.0f / (float)(40 * depth);
  const bool wide = random_chance(&random, 2), odd = random_chance(&random, 6);
  a.multiplier = guarded_floats(&random, padded, 0, wide ? 1000 * scale : scale, odd ? 4 : 0);
  const bool has_remainders = random_chance(&random, 3);
  if (has_remainders) {
    a.remainders.input = guarded_bytes(&random, input_bytes + 64, extreme);
    if (uses_offsets) a.remainders.offsets = guarded_ints(&random, a.rows * a.taps, 0, slack);
    a.remainders.bias = guarded_ints(&random, padded, -bound, bound);
    a.remainders.multiplier = guarded_floats(&random, padded, 0, scale / 256, odd ? 4 : 0);
  }
  set_epilogue(&random, &a);
  const bool to_bytes = a.store == QUERN_STORE_U8, keeps_rest = to_bytes && random_chance(&random, 2);
  describe("%zu rows, %zu taps of %zu, %zu channels, offsets %d, float %d, residual %d, remainders %d, %d to %d", a.rows,
           a.taps, a.tap_bytes, a.output_channels, uses_offsets, !to_bytes, a.residual ? 1 : a.residual_f32 ? 2 : 0,
           has_remainders, a.residual_remainder != 0, keeps_rest);
  const size_t count = a.rows * a.output_stride;
  output out = make_output(to_bytes ? U8 : F32, count), rest = make_output(U8, keeps_rest ? count : 0);
  FOR_EACH_TIER(igemm, {
    a.output = blank(&out, scalar);
    void *remainders = blank(&rest, scalar);
    a.output_remainder = keeps_rest ? remainders : 0;
    kernel->run(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "product");
    scalar ? add_to_digest(&rest) : compare(kernel->name, &rest, "remainder");
  })
}
