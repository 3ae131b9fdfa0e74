// The transforms of a tier. The including file defines `vector` of `width` floats, `load`, `store`, `add`, `subtract`
// and `clamped`, and then uses QUERN_WINOGRAD_TIER. Vectors hold channels; the last one ends with the last channel, so
// that some channels may be computed twice.

typedef struct {
  vector at[4];
} quern_line;

INLINE quern_line transform_input(vector d0, vector d1, vector d2, vector d3) {
  return (quern_line){{subtract(d0, d2), add(d1, d2), subtract(d2, d1), subtract(d1, d3)}};
}

// The distance in pixels at which a tile's new pixels are prefetched: four tiles.
enum { pixels_ahead = 8 };

INLINE void input_vector(const float *const pixels[16], size_t channel, size_t channels, float *transformed,
                         size_t stride) {
  quern_line columns[4];
  UNROLL for (int i = 2; i < 4; ++i) {
    UNROLL for (int x = 2; x < 4; ++x) __builtin_prefetch(pixels[4 * i + x] + pixels_ahead * channels + channel);
  }
  UNROLL for (int x = 0; x < 4; ++x) {
    columns[x] = transform_input(load(pixels[x] + channel), load(pixels[4 + x] + channel), load(pixels[8 + x] + channel),
                                 load(pixels[12 + x] + channel));
  }
  UNROLL for (int i = 0; i < 4; ++i) {
    const quern_line v = transform_input(columns[0].at[i], columns[1].at[i], columns[2].at[i], columns[3].at[i]);
    UNROLL for (int j = 0; j < 4; ++j) store(transformed + (size_t)(4 * i + j) * stride, v.at[j]);
  }
}

INLINE void transform_tiles(const quern_winograd_input_args *a) {
  const size_t channels = a->channels;
  for (size_t tile = 0; tile < a->tiles; ++tile) {
    const float *pixels[16];
    quern_tile_pixels(a, a->first_tile + tile, pixels);
    for (size_t c = 0; c < channels; c += width) {
      const size_t channel = c + width <= channels ? c : channels - width;
      input_vector(pixels, channel, channels, a->transformed + tile * channels + channel, a->frequency_stride);
    }
  }
}

INLINE vector sum_first(vector m0, vector m1, vector m2) { return add(add(m0, m1), m2); }
INLINE vector sum_second(vector m1, vector m2, vector m3) { return subtract(subtract(m1, m2), m3); }

INLINE void output_vector(const quern_winograd_output_args *a, const quern_tile_addresses *addresses,
                          const float *products, size_t channel) {
  vector t[4][2], y[4];
  UNROLL for (int i = 0; i < 4; ++i) {
    const float *row = products + (size_t)(4 * i) * a->frequency_stride;
    const vector m1 = load(row + a->frequency_stride), m2 = load(row + 2 * a->frequency_stride);
    t[i][0] = sum_first(load(row), m1, m2);
    t[i][1] = sum_second(m1, m2, load(row + 3 * a->frequency_stride));
  }
  UNROLL for (int x = 0; x < 2; ++x) {
    y[x] = sum_first(t[0][x], t[1][x], t[2][x]);
    y[2 + x] = sum_second(t[1][x], t[2][x], t[3][x]);
  }
  UNROLL for (int i = 0; i < 4; ++i) {
    if (!addresses->outputs[i]) continue;
    if (addresses->residuals[i]) y[i] = add(y[i], load(addresses->residuals[i] + channel));
    store(addresses->outputs[i] + channel, clamped(y[i], &a->clamp));
  }
}

INLINE void finish_tiles(const quern_winograd_output_args *a) {
  const size_t channels = a->channels;
  for (size_t tile = 0; tile < a->tiles; ++tile) {
    const quern_tile_addresses addresses = quern_tile_outputs(a, a->first_tile + tile);
    for (size_t c = 0; c < channels; c += width) {
      const size_t channel = c + width <= channels ? c : channels - width;
      output_vector(a, &addresses, a->products + tile * channels + channel, channel);
    }
  }
}

// If there are fewer channels than a vector has, the scalar tier computes them.
#define QUERN_WINOGRAD_TIER(tier) \
  void quern_winograd_input_##tier(const quern_winograd_input_args *a) { \
    a->channels < width ? quern_winograd_input_scalar(a) : transform_tiles(a); \
  } \
  void quern_winograd_output_##tier(const quern_winograd_output_args *a) { \
    a->channels < width ? quern_winograd_output_scalar(a) : finish_tiles(a); \
  }
