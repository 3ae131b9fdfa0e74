#include "../requantise/scalar.h"
#include "../clamp/clamp.h"
#include "functions.h"

#pragma STDC FP_CONTRACT OFF

// The reference: every other tier gives these bits.

static void transform_input(const float d[4], float v[4]) {
  v[0] = d[0] - d[2];
  v[1] = d[1] + d[2];
  v[2] = d[2] - d[1];
  v[3] = d[1] - d[3];
}

static void transform_output(const float m[4], float y[2]) {
  y[0] = (m[0] + m[1]) + m[2];
  y[1] = (m[1] - m[2]) - m[3];
}

void quern_winograd_input_scalar(const quern_winograd_input_args *a) {
  for (size_t tile = 0; tile < a->tiles; ++tile) {
    const float *pixels[16];
    quern_tile_pixels(a, a->first_tile + tile, pixels);
    for (size_t c = 0; c < a->channels; ++c) {
      float w[4][4]; // [column][row]
      for (size_t x = 0; x < 4; ++x) {
        const float d[4] = {pixels[x][c], pixels[4 + x][c], pixels[8 + x][c], pixels[12 + x][c]};
        transform_input(d, w[x]);
      }
      for (size_t i = 0; i < 4; ++i) {
        const float row[4] = {w[0][i], w[1][i], w[2][i], w[3][i]};
        float v[4];
        transform_input(row, v);
        for (size_t j = 0; j < 4; ++j) {
          a->transformed[(4 * i + j) * a->frequency_stride + tile * a->channels + c] = v[j];
        }
      }
    }
  }
}

void quern_winograd_output_scalar(const quern_winograd_output_args *a) {
  for (size_t tile = 0; tile < a->tiles; ++tile) {
    const quern_tile_addresses addresses = quern_tile_outputs(a, a->first_tile + tile);
    for (size_t c = 0; c < a->channels; ++c) {
      const float *products = a->products + tile * a->channels + c;
      float t[4][2];
      for (size_t i = 0; i < 4; ++i) {
        float m[4];
        for (size_t j = 0; j < 4; ++j) m[j] = products[(4 * i + j) * a->frequency_stride];
        transform_output(m, t[i]);
      }
      for (size_t x = 0; x < 2; ++x) {
        const float column[4] = {t[0][x], t[1][x], t[2][x], t[3][x]};
        float y[2];
        transform_output(column, y);
        for (size_t i = 0; i < 2; ++i) {
          const size_t position = 2 * i + x;
          if (!addresses.outputs[position]) continue;
          const float sum = addresses.residuals[position] ? y[i] + addresses.residuals[position][c] : y[i];
          addresses.outputs[position][c] = quern_clamped(sum, &a->clamp);
        }
      }
    }
  }
}
