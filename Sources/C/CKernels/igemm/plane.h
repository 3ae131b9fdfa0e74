#pragma once
#include "quern_igemm.h"

// One plane of the input of a product.
typedef struct {
  const uint8_t *input;
  const int32_t *offsets;
  const int32_t *bias;
} quern_igemm_plane;

static inline quern_igemm_plane quern_igemm_levels(const quern_igemm_args *a) {
  return (quern_igemm_plane){a->input, a->offsets, a->bias};
}

static inline quern_igemm_plane quern_igemm_remainder_plane(const quern_igemm_args *a) {
  return (quern_igemm_plane){a->remainders.input, a->remainders.offsets, a->remainders.bias};
}

// The bytes of a tap of a row.
static inline const uint8_t *quern_igemm_tap(const quern_igemm_args *a, quern_igemm_plane p, size_t row, size_t tap) {
  return p.offsets ? p.input + p.offsets[row * a->taps + tap] : p.input + row * a->input_stride;
}
