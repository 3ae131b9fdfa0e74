#include "comparison.h"
#include "quern_lookup.h"

void compare_lookup(uint64_t seed) {
  begin_problem("lookup", seed);
  random_source random = {seed};
  const size_t count = (size_t)random_int(&random, 0, 700);
  describe("%zu values", count);
  const uint8_t *x = guarded_bytes(&random, count, false), *table = guarded_bytes(&random, 256, false);
  output out = make_output(U8, count);
  // The values may be looked up in place.
  const bool in_place = random_chance(&random, 2);
  FOR_EACH_TIER(lookup, {
    uint8_t *y = in_place ? copied(&out, scalar, x) : blank(&out, scalar);
    kernel->run(in_place ? y : x, count, table, y);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "lookup");
  })
}
