#pragma once

// The bounds that an activation function sets for results stored as float32: max(x, min), then min of that and max,
// where `is_set`. Here max(a, b) is a > b ? a : b and min(a, b) is a < b ? a : b, so that NaN becomes the lower bound.
// Otherwise results are stored as they are.
typedef struct {
  int is_set;
  float min, max;
} quern_clamp;
