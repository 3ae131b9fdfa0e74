#include "comparison.h"
#include "quern_lookup.h"

void compare_lookup(uint64_t seed) {
  begin_problem("lookup", seed);
  random_source random = {seed};
  const size_t rows = (size_t)random_int(&random, 0, 9), row_bytes = (size_t)random_int(&random, 1, 160);
  // The values may be looked up in place.
  const bool in_place = random_chance(&random, 2);
  const size_t input_stride = row_bytes + (size_t)random_int(&random, 0, 20);
  const size_t output_stride = in_place ? input_stride : row_bytes + (size_t)random_int(&random, 0, 20);
  describe("%zu rows of %zu, strides %zu and %zu", rows, row_bytes, input_stride, output_stride);
  const size_t count = rows == 0 ? 0 : (rows - 1) * input_stride + row_bytes;
  const uint8_t *x = guarded_bytes(&random, count, false), *table = guarded_bytes(&random, 256, false);
  output out = make_output(U8, rows == 0 ? 0 : (rows - 1) * output_stride + row_bytes);
  FOR_EACH_TIER(lookup, {
    uint8_t *y = in_place ? copied(&out, scalar, x) : blank(&out, scalar);
    const quern_lookup_args args = {table, in_place ? y : x, input_stride, rows, row_bytes, y, output_stride};
    kernel->run(&args);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "lookup");
  })
}
