#include "functions.h"

void quern_lookup_scalar(const uint8_t *x, size_t count, const uint8_t *table, uint8_t *y) {
  for (size_t i = 0; i < count; ++i) y[i] = table[x[i]];
}
