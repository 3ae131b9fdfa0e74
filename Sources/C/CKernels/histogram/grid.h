#pragma once
#include <stdint.h>

#include "quern_histogram.h"

// The grid of quern_histogram.h in float32 bit patterns.
enum {
  quern_magnitude_bits = 0x7FFFFFFF,
  quern_infinity_bits = 0x7F800000,
  quern_first_bits = (127 - 16) << 23, // 2^-16
  quern_base = quern_first_bits >> 16,
  quern_top = (((127 + 16) << 23) >> 16) - 1,
  quern_bins_per_sign = 4096,
};

_Static_assert(quern_top - quern_base == quern_bins_per_sign - 1, "one bin for each of 128 fractions and 32 exponents");

// -0 becomes +0, so that the result does not depend on the order of the values.
static inline void quern_histogram_extend(quern_histogram *histogram, float minimum, float maximum) {
  if (minimum < histogram->minimum) histogram->minimum = minimum;
  if (maximum > histogram->maximum) histogram->maximum = maximum;
  histogram->minimum = histogram->minimum + 0.0f;
  histogram->maximum = histogram->maximum + 0.0f;
}
