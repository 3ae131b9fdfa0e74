#include "comparison.h"
#include "quern_depthwise.h"
#include "quern_depthwise_f32.h"

#pragma STDC FP_CONTRACT OFF

static size_t some_taps(random_source *random) {
  static const size_t usual[] = {1, 4, 9, 25, 49};
  return random_chance(random, 2) ? usual[random_int(random, 0, 4)] : (size_t)random_int(random, 1, 50);
}

void compare_depthwise(uint64_t seed) {
  begin_problem("depthwise", seed);
  random_source random = {seed};
  quern_depthwise_args a = {0};
  const bool extreme = random_chance(&random, 8);
  a.rows = (size_t)random_int(&random, 1, 13);
  a.taps = some_taps(&random);
  a.channels = (size_t)random_int(&random, 1, 200);
  const int32_t slack = random_int(&random, 0, 300);
  a.input = guarded_bytes(&random, a.channels + (size_t)slack + 63, extreme); // readable behind the channels
  a.offsets = guarded_ints(&random, a.rows * a.taps, 0, slack);
  const int8_t *weights = guarded_weights(&random, a.channels * a.taps, extreme, a.taps);
  int8_t *packed = guarded(quern_depthwise_packed_size(a.channels, a.taps));
  quern_depthwise_pack(weights, a.channels, a.taps, packed);
  a.weights = packed;
  const size_t padded = (a.channels + 15) / 16 * 16;
  const int32_t bound = extreme ? 2000000000 : 10000;
  a.bias = guarded_ints(&random, padded, -bound, bound);
  const bool wide = random_chance(&random, 2), odd = random_chance(&random, 6);
  a.multiplier = guarded_floats(&random, padded, 0, wide ? 10 : 0.01f, odd ? 4 : 0);
  const output_range range = random_range(&random);
  a.output_zero_point = range.zero_point;
  a.output_min = range.least;
  a.output_max = range.most;
  a.output_stride = a.channels + 3;
  describe("%zu rows, %zu taps, %zu channels", a.rows, a.taps, a.channels);
  output out = make_output(U8, a.rows * a.output_stride), reals = make_output(F32, a.rows * a.output_stride);
  if (random_chance(&random, 2)) a.addend = guarded_floats(&random, a.rows * a.output_stride, -50, 50, 0);
  FOR_EACH_TIER(depthwise, {
    a.output = blank(&out, scalar);
    kernel->run(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "convolution");
    a.output_f32 = blank(&reals, scalar);
    kernel->run(&a);
    scalar ? add_to_digest(&reals) : compare(kernel->name, &reals, "convolution to floats");
    a.output_f32 = 0;
  })
}

void compare_depthwise_f32(uint64_t seed) {
  begin_problem("depthwise_f32", seed);
  random_source random = {seed};
  quern_depthwise_f32_args a = {0};
  a.rows = (size_t)random_int(&random, 1, 7);
  a.taps = some_taps(&random);
  a.channels = (size_t)random_int(&random, 1, 150);
  const int32_t slack = random_int(&random, 0, 100);
  const int32_t rarity = random_chance(&random, 3) ? 60 : 0;
  a.input = guarded_floats(&random, a.channels + (size_t)slack, -2, 2, rarity);
  a.offsets = guarded_ints(&random, a.rows * a.taps, -slack / 3 - 1, slack);
  a.weights = guarded_floats(&random, a.taps * a.channels, -1, 1, 0);
  a.bias = guarded_floats(&random, a.channels, -1, 1, rarity);
  a.clamp = random_clamp(&random);
  a.output_stride = a.channels + 3;
  describe("%zu rows, %zu taps, %zu channels, clamp %d", a.rows, a.taps, a.channels, a.clamp.is_set);
  output out = make_output(F32, a.rows * a.output_stride);
  FOR_EACH_TIER(depthwise_f32, {
    a.output = blank(&out, scalar);
    kernel->run(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "convolution");
  })
}
