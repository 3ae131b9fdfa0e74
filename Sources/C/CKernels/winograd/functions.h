#pragma once
#include <stdbool.h>

#include "quern_winograd.h"

// The functions of a tier, so that each file's definitions are checked against the table's types.
#define QUERN_KERNEL(needed, name, tier) \
  void quern_winograd_input_##tier(const quern_winograd_input_args *); \
  void quern_winograd_output_##tier(const quern_winograd_output_args *);
#include "kernels.def"
#undef QUERN_KERNEL

// The position of a tile: its image, and the row and column of its first output.
typedef struct {
  size_t image, row, column;
} quern_tile;

static inline quern_tile quern_tile_at(size_t index, size_t tile_rows, size_t tile_columns) {
  const size_t line = index / tile_columns;
  return (quern_tile){line / tile_rows, line % tile_rows * 2, index % tile_columns * 2};
}

// Finds the 4x4 pixels that a tile reads.
static inline void quern_tile_pixels(const quern_winograd_input_args *a, size_t index, const float *pixels[16]) {
  const quern_tile tile = quern_tile_at(index, a->tile_rows, a->tile_columns);
  const ptrdiff_t top = (ptrdiff_t)tile.row - a->top, left = (ptrdiff_t)tile.column - a->left;
  for (ptrdiff_t i = 0; i < 4; ++i) {
    const ptrdiff_t y = top + i;
    const bool inside = y >= 0 && y < (ptrdiff_t)a->height;
    const float *line = a->input + (inside ? (tile.image * a->height + (size_t)y) * a->width * a->channels : 0);
    for (ptrdiff_t j = 0; j < 4; ++j) {
      const ptrdiff_t x = left + j;
      pixels[4 * i + j] = inside && x >= 0 && x < (ptrdiff_t)a->width ? line + (size_t)x * a->channels : a->zeros;
    }
  }
}

// The addresses of a tile's 2x2 outputs and of their residuals; null for outputs outside the map, and without a
// residual.
typedef struct {
  float *outputs[4];
  const float *residuals[4];
} quern_tile_addresses;

static inline quern_tile_addresses quern_tile_outputs(const quern_winograd_output_args *a, size_t index) {
  const quern_tile tile = quern_tile_at(index, a->tile_rows, a->tile_columns);
  quern_tile_addresses addresses;
  for (size_t i = 0; i < 4; ++i) {
    const size_t y = tile.row + i / 2, x = tile.column + i % 2;
    const bool inside = y < a->height && x < a->width;
    addresses.outputs[i] = inside ? a->output + ((tile.image * a->height + y) * a->width + x) * a->output_stride : 0;
    addresses.residuals[i] =
        inside && a->residual
            ? a->residual + ((tile.image * a->residual_height + y) * a->residual_width + x) * a->residual_stride
            : 0;
  }
  return addresses;
}
