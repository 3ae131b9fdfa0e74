#include "comparison.h"
#include "quern_histogram.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// Activations, half of them zeros; any bits; ends of bins and their neighbours; or nothing finite.
static const float *some_values(random_source *random, size_t count) {
  const int32_t kind = random_int(random, 0, 8);
  float *values = guarded_floats(random, count, -4, 4, 20);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = (uint32_t)random_bits(random);
    if (kind < 3 && bits & 1) values[i] = 0;
    if (kind >= 3 && kind < 7) memcpy(&values[i], &bits, sizeof bits);
    if (kind == 7) { // bins end where the last 16 bits are zero
      const uint32_t edge = (bits & 0xFFFF0000u) + (uint32_t)random_int(random, -1, 1);
      memcpy(&values[i], &edge, sizeof edge);
    }
    if (kind == 7 && bits % 4 == 0) values[i] = copysignf(bits & 4 ? 0x1p-16f : 0x1p16f, values[i]);
    if (kind == 8) values[i] = bits & 1 ? INFINITY : NAN;
  }
  return values;
}

void compare_histogram(uint64_t seed) {
  begin_problem("histogram", seed);
  random_source random = {seed};
  const size_t count = (size_t)random_int(&random, 0, random_chance(&random, 4) ? 5000 : 70);
  const float *values = some_values(&random, count);
  describe("%zu values", count);
  output bins = make_output(U32, QUERN_HISTOGRAM_BINS), ends = make_output(F32, 2), nonfinite = make_output(U32, 1);
  static const uint32_t zeros[QUERN_HISTOGRAM_BINS];
  FOR_EACH_TIER(histogram, {
    quern_histogram histogram = {copied(&bins, scalar, zeros), INFINITY, -INFINITY, 0};
    kernel->count(values, count, &histogram);
    float *both = blank(&ends, scalar);
    both[0] = histogram.minimum;
    both[1] = histogram.maximum;
    *(uint32_t *)blank(&nonfinite, scalar) = (uint32_t)histogram.nonfinite;
    const output *outputs[] = {&bins, &ends, &nonfinite};
    for (int i = 0; i < 3; ++i) scalar ? add_to_digest(outputs[i]) : compare(kernel->name, outputs[i], "counts");
  })
}
