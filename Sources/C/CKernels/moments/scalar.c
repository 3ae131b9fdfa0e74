#include "functions.h"

void quern_moments_scalar(const quern_moments_args *args) {
  for (size_t i = 0; i < args->columns; i++) {
    const uint8_t *x = args->packed + i / 16 * args->quads * 64 + i % 16 * 4;
    args->sums[i] += quern_column_sum(args, i);
    for (size_t block = 0; block <= i / 16; block++) {
      const uint8_t *y = args->packed + block * args->quads * 64;
      int32_t products[16] = {0};
      for (size_t quad = 0; quad < args->quads; quad++) {
        for (int lane = 0; lane < 16; lane++) {
          for (int sample = 0; sample < 4; sample++) {
            products[lane] += x[quad * 64 + sample] * y[quad * 64 + 4 * lane + sample];
          }
        }
      }
      int32_t *moments = args->moments + i * args->stride + block * 16;
      for (size_t lane = 0; lane < 16 && block * 16 + lane <= i; lane++) moments[lane] += products[lane];
    }
  }
}
