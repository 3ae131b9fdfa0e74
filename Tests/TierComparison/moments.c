#include "comparison.h"
#include "quern_moments.h"

void compare_moments(uint64_t seed) {
  begin_problem("moments", seed);
  random_source random = {seed};
  const size_t columns = (size_t)random_int(&random, 1, random_chance(&random, 4) ? 200 : 40);
  const size_t quads = (size_t)random_int(&random, 1, 50);
  const uint8_t *packed =
      guarded_bytes(&random, quern_moments_packed_bytes(quads, columns), random_chance(&random, 5));
  describe("%zu columns, %zu quads", columns, quads);
  output sums = make_output(U32, columns), moments = make_output(U32, columns * columns);
  FOR_EACH_TIER(moments, {
    quern_moments_args args = {packed, quads, columns, blank(&sums, scalar), blank(&moments, scalar), columns};
    kernel->add(&args);
    for (size_t i = 0; i < columns; ++i) { // undefined above the diagonal
      for (size_t j = i + 1; j < columns; ++j) args.moments[i * columns + j] = 0;
    }
    scalar ? add_to_digest(&sums) : compare(kernel->name, &sums, "sums");
    scalar ? add_to_digest(&moments) : compare(kernel->name, &moments, "moments");
  })
}
