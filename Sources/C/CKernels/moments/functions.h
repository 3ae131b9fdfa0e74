#pragma once
#include "quern_moments.h"

// The sum of a column's bytes.
static inline int32_t quern_column_sum(const quern_moments_args *args, size_t column) {
  const uint8_t *bytes = args->packed + column / 16 * args->quads * 64 + column % 16 * 4;
  int32_t sum = 0;
  for (size_t quad = 0; quad < args->quads; quad++) {
    for (int sample = 0; sample < 4; sample++) sum += bytes[quad * 64 + sample];
  }
  return sum;
}
