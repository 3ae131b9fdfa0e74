#include "comparison.h"
#include "quern_layernorm.h"

#pragma STDC FP_CONTRACT OFF

void compare_layernorm(uint64_t seed) {
  begin_problem("layernorm", seed);
  random_source random = {seed};
  const size_t rows = (size_t)random_int(&random, 1, 5), channels = (size_t)random_int(&random, 1, 150);
  const size_t count = rows * channels;
  const output_range range = random_range(&random);
  quern_layernorm_args a = {.rows = rows, .channels = channels, .step = 0.01, .epsilon = 1e-6};
  a.input = guarded_bytes(&random, count, false);
  if (random_chance(&random, 3)) a.input_remainder = guarded_bytes(&random, count, false);
  if (random_chance(&random, 3)) a.reals = guarded_floats(&random, count, -9, 9, 0);
  a.weight = guarded_floats(&random, channels, -40, 40, 0);
  a.bias = guarded_floats(&random, channels, -40, 40, 0);
  a.output_zero_point = range.zero_point;
  const bool keeps_rest = random_chance(&random, 2), to_floats = random_chance(&random, 3);
  describe("%zu rows, %zu channels, reals %d, remainders %d to %d, floats %d", rows, channels, a.reals != 0,
           a.input_remainder != 0, keeps_rest, to_floats);
  output out = make_output(to_floats ? F32 : U8, count), rest = make_output(U8, count);
  FOR_EACH_TIER(layernorm, {
    void *to = blank(&out, scalar);
    void *remainders = blank(&rest, scalar);
    a.output = to_floats ? 0 : to;
    a.output_f32 = to_floats ? to : 0;
    a.output_remainder = keeps_rest ? remainders : 0;
    kernel->run(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "layernorm");
    scalar ? add_to_digest(&rest) : compare(kernel->name, &rest, "remainder of layernorm");
  })
}
