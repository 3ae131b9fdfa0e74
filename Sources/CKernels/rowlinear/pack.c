#include <string.h>

#include "quern_rowlinear.h"

size_t quern_rowlinear_packed_size(size_t outputs, size_t inputs) { return (outputs + 15) / 16 * inputs * 16; }

void quern_rowlinear_pack(const int8_t *weights, size_t outputs, size_t inputs, int8_t *packed) {
  memset(packed, 0, quern_rowlinear_packed_size(outputs, inputs));
  for (size_t n = 0; n < outputs; ++n) {
    int8_t *channel = packed + n / 16 * inputs * 16 + n % 16;
    for (size_t k = 0; k < inputs; ++k) channel[k * 16] = weights[n * inputs + k];
  }
}
