#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_clamp.h"
#include "quern_cpu.h"

// The transforms of Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", arXiv 1509.09308, section 4.1): a dense float32 3x3 convolution of stride 1 with 16 products per channel
// for each 2x2 tile of the output instead of 36.
//
//   Y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A        where * is the elementwise product
//
//         1  0 -1  0          1    0    0
//   B^T = 0  1  1  0    G = 1/2  1/2  1/2    A^T = 1  1  1  0
//         0 -1  1  0        1/2 -1/2  1/2          0  1 -1 -1
//         0  1  0 -1          0    0    1
//
// d are the 4x4 pixels that a tile reads, g the 3x3 taps. Element (i, j) of a transformed tile is frequency 4 i + j.
// The sums over channels are those of quern_fgemm.h: for each frequency, a matrix product of one tap, [tiles][channels]
// by the transformed weights. The bias of frequency 5 is that of the convolution, because this frequency is added to
// all four outputs of a tile; the bias of the others is zero.
//
// The order of operations is part of the definition, so that all tiers give the same bits (except for NaN payloads).
// Each is one float32 operation rounded to nearest, ties to even:
//
//   input:   for columns x:  w[0][x] = d[0][x] - d[2][x]; w[1][x] = d[1][x] + d[2][x];
//                            w[2][x] = d[2][x] - d[1][x]; w[3][x] = d[1][x] - d[3][x]
//            likewise v[i][0..3] from w[i][0..3]
//   output:  for rows i:     t[i][0] = (m[i][0] + m[i][1]) + m[i][2]; t[i][1] = (m[i][1] - m[i][2]) - m[i][3]
//            likewise y[0..1][x] from t[0..3][x]; then, as in quern_fgemm.h, y + residual and max(y, 0)
//   weights: in double, t[0] = g[0]; t[1] = ((g[0] + g[2]) + g[1]) / 2; t[2] = ((g[0] + g[2]) - g[1]) / 2; t[3] = g[2],
//            along columns and then along rows; rounded to float32 once
//
// Tiles are counted along rows, then from row to row, then from image to image.

enum { QUERN_WINOGRAD_FREQUENCIES = 16, QUERN_WINOGRAD_BIASED_FREQUENCY = 5 };

typedef struct {
  const float *input;      // [images][height][width][channels]
  const float *zeros;      // `channels` zeros: pixels outside the map
  size_t height, width, channels;
  ptrdiff_t top, left;     // padding; negative: the first window begins that far inside the map
  size_t tile_rows, tile_columns; // per image
  size_t first_tile, tiles;
  float *transformed;      // [16], frequency_stride apart, of [tiles][channels]
  size_t frequency_stride; // in elements
} quern_winograd_input_args;

typedef struct {
  const float *products;   // [16], frequency_stride apart, of [tiles][channels]
  size_t frequency_stride; // in elements
  size_t channels;
  size_t tile_rows, tile_columns; // per image
  size_t first_tile, tiles;
  size_t height, width;    // of the output: the last row and column of tiles may reach past it
  const float *residual;   // pixels residual_stride apart, or null; does not overlap output
  size_t residual_height, residual_width; // at least the output's; its top-left corner is added
  size_t residual_stride;  // in elements
  quern_clamp clamp;
  float *output;           // [images][height][width] pixels, output_stride apart
  size_t output_stride;    // in elements
} quern_winograd_output_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*input)(const quern_winograd_input_args *);
  void (*output)(const quern_winograd_output_args *);
} quern_winograd_kernel;

// The table, best first, scalar last.
extern const quern_winograd_kernel *const quern_winograd_kernels;
extern const size_t quern_winograd_kernel_count;

// The number of floats of the packed form, and packing from [output_channels][3][3][channels]: the matrices
// [output_channels][channels] of all frequencies, packed as by quern_fgemm_pack, one after another.
size_t quern_winograd_packed_count(size_t output_channels, size_t channels);
void quern_winograd_pack(const float *weights, size_t output_channels, size_t channels, float *packed);
