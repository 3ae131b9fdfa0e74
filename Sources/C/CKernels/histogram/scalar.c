#include <math.h>
#include <string.h>

#include "grid.h"

#pragma STDC FP_CONTRACT OFF

void quern_histogram_scalar(const float *x, size_t count, quern_histogram *histogram) {
  float minimum = INFINITY, maximum = -INFINITY;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    const uint32_t magnitude = bits & quern_magnitude_bits;
    if (magnitude >= quern_infinity_bits) {
      histogram->nonfinite += 1;
      continue;
    }
    minimum = x[i] < minimum ? x[i] : minimum;
    maximum = x[i] > maximum ? x[i] : maximum;
    if (magnitude < quern_first_bits) {
      histogram->bins[0] += 1;
      continue;
    }
    const uint32_t cell = magnitude >> 16 < quern_top ? magnitude >> 16 : quern_top;
    histogram->bins[1 + (bits >> 31) * quern_bins_per_sign + cell - quern_base] += 1;
  }
  quern_histogram_extend(histogram, minimum, maximum);
}
