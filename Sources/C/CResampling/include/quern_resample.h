#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// One pass of a separable resampling in Pillow's fixed-point arithmetic, with weights of 22 fractional bits and a
/// shift that rounds down: out = max(0, min((sum of pixel * weight + 2^21) >> 22, 255)).
struct quern_resample_taps {
  /// Each output sample has `taps` weights, in `weights[output * taps ...]`, for the input samples from
  /// `first[output]`.
  const int32_t *first;
  const int32_t *weights;
  size_t taps;
  size_t outputs;
};

/// Resamples along rows: from `rows` rows of `input_width` RGB pixels, `source_stride` bytes apart, to `rows` packed
/// rows of `along.outputs` RGB pixels. `scratch` has room for `3 * input_width + 1` bytes.
void quern_resample_horizontal(
    const uint8_t *source, size_t source_stride, size_t input_width, size_t rows, struct quern_resample_taps along,
    uint8_t *scratch, uint8_t *destination);

/// Resamples along columns: from rows of `row_bytes` bytes, `source_stride` bytes apart, to `along.outputs` packed
/// rows.
void quern_resample_vertical(
    const uint8_t *source, size_t source_stride, size_t row_bytes, struct quern_resample_taps along,
    uint8_t *destination);

#ifdef __cplusplus
}
#endif
