#include "comparison.h"
#include "quern_pool.h"

#pragma STDC FP_CONTRACT OFF

// One function of the tier, by every tier: `call` writes to `to`.
#define RUN(out, prepared, what, call) \
  FOR_EACH_TIER(pool, { \
    void *to = prepared; \
    kernel->call; \
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, what); \
  })

static void compare_windows(random_source *random, size_t rows, size_t taps, size_t channels) {
  const int32_t slack = random_int(random, 0, 100);
  const bool special = random_chance(random, 3);
  const uint8_t *bytes = guarded_bytes(random, channels + (size_t)slack, false);
  const float *floats = guarded_floats(random, channels + (size_t)slack, -3, 3, special ? 6 : 0);
  const int32_t zero_point = random_int(random, 0, 255);
  int32_t *offsets = guarded_ints(random, rows * taps, QUERN_TAP_ZERO, slack);
  output u8 = make_output(U8, rows * (channels + 3)), f32 = make_output(F32, rows * (channels + 3));
  const size_t stride = channels + 3;
  RUN(u8, blank(&u8, scalar), "average_u8", average_u8(bytes, offsets, rows, taps, channels, zero_point, to, stride))
  RUN(f32, blank(&f32, scalar), "average_f32", average_f32(floats, offsets, rows, taps, channels, to, stride))
  for (size_t row = 0; row < rows; ++row) offsets[row * taps] = random_int(random, 0, slack); // one inside, for maxima
  RUN(u8, blank(&u8, scalar), "max_u8", max_u8(bytes, offsets, rows, taps, channels, to, stride))
  RUN(f32, blank(&f32, scalar), "max_f32", max_f32(floats, offsets, rows, taps, channels, to, stride))
}

static void compare_sums(random_source *random, size_t count, size_t channels) {
  const size_t stride = channels + 2;
  const uint8_t *bytes = guarded_bytes(random, count * stride - 2, false);
  const float *table = guarded_floats(random, 256, -1, 3, 0), *reals = guarded_floats(random, channels, 0, 1, 0);
  const int32_t *integers = guarded_ints(random, channels, 0, 1000);
  output u32 = make_output(U32, channels), f32 = make_output(F32, channels);
  RUN(f32, copied(&f32, scalar, reals), "table_sum", table_sum(bytes, count, stride, channels, table, to))
  RUN(u32, copied(&u32, scalar, integers), "sum_u8", sum_u8(bytes, count, stride, channels, to))
  // Doubles, compared by their two halves.
  const float *values = guarded_floats(random, count * stride - 2, -3, 3, 0);
  output f64 = make_output(U32, 2 * channels);
  double *start = guarded(channels * sizeof(double));
  for (size_t c = 0; c < channels; ++c) start[c] = reals[c] / 3.0;
  RUN(f64, copied(&f64, scalar, start), "sum_f32", sum_f32(values, count, stride, channels, to))
}

void compare_pool(uint64_t seed) {
  begin_problem("pool", seed);
  random_source random = {seed};
  const size_t rows = (size_t)random_int(&random, 1, 7), taps = (size_t)random_int(&random, 1, 12);
  const size_t channels = (size_t)random_int(&random, 1, 150), count = (size_t)random_int(&random, 1, 60);
  describe("%zu rows, %zu taps, %zu channels; %zu values", rows, taps, channels, count);
  compare_windows(&random, rows, taps, channels);
  compare_sums(&random, count, channels);
}
