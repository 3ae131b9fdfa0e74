#include <string.h>

#include "quern_rowlinear.h"

size_t quern_rowlinear_packed_size(size_t outputs, size_t inputs) { return (outputs + 15) / 16 * inputs * 16; }

void quern_rowlinear_pack(const int8_t *weights, size_t outputs, size_t inputs, int8_t *packed) {
  for (size_t block = 0; block < outputs; block += 16) {
    const size_t channels = outputs - block < 16 ? outputs - block : 16;
    const int8_t *from = weights + block * inputs;
    for (size_t k = 0; k < inputs; ++k, packed += 16) {
      for (size_t n = 0; n < 16; ++n) packed[n] = n < channels ? from[n * inputs + k] : 0;
    }
  }
}
