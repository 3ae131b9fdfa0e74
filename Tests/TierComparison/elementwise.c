#include "comparison.h"
#include "quern_elementwise.h"

#pragma STDC FP_CONTRACT OFF

// One function of the tier, by every tier: `call` writes to `to`.
#define RUN(out, initial, what, call) \
  FOR_EACH_TIER(elementwise, { \
    void *to = copied(&out, scalar, initial); \
    kernel->call; \
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, what); \
  })

typedef struct {
  const uint8_t *bytes, *other_bytes;
  const float *floats, *channel_values;
  int32_t za, zb;
  float ma, mb;
  output_range range;
} operands;

static operands some_operands(random_source *random, size_t count, size_t channels) {
  operands o;
  const bool special = random_chance(random, 2);
  o.bytes = guarded_bytes(random, count, false);
  o.other_bytes = guarded_bytes(random, count, false);
  o.floats = guarded_floats(random, count, -300, 300, special ? 10 : 0);
  o.channel_values = guarded_floats(random, channels, -2, 2, special ? 10 : 0);
  o.za = random_int(random, -20, 300);
  o.zb = random_int(random, 0, 255);
  // One half and one quarter make ties.
  const bool ties = random_chance(random, 4), wide = random_chance(random, 4);
  o.ma = ties ? 0.5f : random_float(random, 0, wide ? 1000 : 2);
  o.mb = ties ? 0.25f : random_float(random, 0, 2);
  o.range = random_range(random);
  return o;
}

static void compare_bytes_and_floats(const operands *o, size_t rows, size_t channels) {
  const size_t count = rows * channels;
  output bytes = make_output(U8, count), floats = make_output(F32, count);
  const int32_t zero_point = o->range.zero_point, least = o->range.least;
  // Half of the values lie where the rounding changes.
  float *values = guarded(count * sizeof *values);
  for (size_t i = 0; i < count; ++i) values[i] = i % 2 ? o->floats[i] : ((float)o->bytes[i] - 100.5f) * o->ma;
  RUN(bytes, o->bytes, "quantize", quantize(values, count, o->ma, o->zb, to))
  RUN(floats, o->floats, "dequantize", dequantize(o->bytes, count, o->ma, o->za, to))
  RUN(bytes, o->bytes, "add", add(o->bytes, o->za, o->ma, o->other_bytes, o->zb, o->mb, count, zero_point, least, 255 - least % 7, to))
  RUN(bytes, o->bytes, "multiply", multiply(o->bytes, o->za, o->ma / 64, o->other_bytes, o->zb, count, zero_point, to))
  RUN(bytes, o->bytes, "prelu", prelu(o->bytes, o->za, o->ma, o->channel_values, channels, rows, zero_point, to))
  RUN(bytes, o->bytes, "requantize", requantize(o->bytes, o->za, o->ma, count, zero_point, least, to))
}

static void compare_scale(random_source *random, const operands *o, size_t rows, size_t channels) {
  const size_t count = rows * channels;
  quern_scale_args a = {.factors = o->channel_values, .rows = rows, .channels = channels};
  a.clamp = random_clamp(random);
  a.map = o->bytes;
  a.map_zero_point = o->za;
  if (random_chance(random, 3)) a.reals = o->floats;
  if (random_chance(random, 2)) a.map_remainder = guarded_bytes(random, count, false);
  if (random_chance(random, 2)) a.residual = o->other_bytes;
  if (random_chance(random, 2)) a.residual_remainder = guarded_bytes(random, count, false);
  a.residual_zero_point = o->zb;
  a.residual_multiplier = o->mb;
  a.output_zero_point = o->range.zero_point;
  a.output_min = o->range.least;
  a.output_max = random_chance(random, 2) ? 255 : random_int(random, o->range.least, 255);
  const bool keeps_rest = random_chance(random, 2), to_floats = random_chance(random, 3);
  describe("%zu rows, %zu channels, reals %d, residual %d, remainders %d and %d to %d, floats %d, clamp %d", rows, channels,
           a.reals != 0, a.residual != 0, a.map_remainder != 0, a.residual_remainder != 0, keeps_rest, to_floats, a.clamp.is_set);
  output out = make_output(to_floats ? F32 : U8, count), rest = make_output(U8, count);
  FOR_EACH_TIER(elementwise, {
    void *to = blank(&out, scalar);
    void *remainders = blank(&rest, scalar);
    a.output = to_floats ? 0 : to;
    a.output_f32 = to_floats ? to : 0;
    a.output_remainder = keeps_rest ? remainders : 0;
    kernel->scale(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "scale");
    scalar ? add_to_digest(&rest) : compare(kernel->name, &rest, "remainder of scale");
  })
}

void compare_elementwise(uint64_t seed) {
  begin_problem("elementwise", seed);
  random_source random = {seed};
  const size_t rows = (size_t)random_int(&random, 1, 5), channels = (size_t)random_int(&random, 1, 120);
  const operands o = some_operands(&random, rows * channels, channels);
  describe("%zu rows, %zu channels", rows, channels);
  compare_bytes_and_floats(&o, rows, channels);
  compare_scale(&random, &o, rows, channels);
}
