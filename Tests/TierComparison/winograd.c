#include "comparison.h"
#include "quern_winograd.h"

#pragma STDC FP_CONTRACT OFF

// An image of tiles in which both ends of the rows, and of the tiles of the call, may be cut.
typedef struct {
  size_t images, rows, columns, first, tiles;
} grid;

static grid random_grid(random_source *random) {
  grid g;
  g.images = (size_t)random_int(random, 1, 2);
  g.rows = (size_t)random_int(random, 1, 4);
  g.columns = (size_t)random_int(random, 1, 5);
  const int32_t all = (int32_t)(g.images * g.rows * g.columns);
  g.first = (size_t)random_int(random, 0, all - 1);
  g.tiles = (size_t)random_int(random, 1, all - (int32_t)g.first);
  return g;
}

static void compare_input(random_source *random, grid g, size_t channels, int32_t rarity) {
  quern_winograd_input_args a = {0};
  a.height = (size_t)random_int(random, 1, 9);
  a.width = (size_t)random_int(random, 1, 9);
  a.channels = channels;
  a.top = random_int(random, -2, 2);
  a.left = random_int(random, -2, 2);
  a.tile_rows = g.rows;
  a.tile_columns = g.columns;
  a.first_tile = g.first;
  a.tiles = g.tiles;
  a.input = guarded_floats(random, g.images * a.height * a.width * channels, -2, 2, rarity);
  a.zeros = guarded_floats(random, channels, 0, 0, 0);
  a.frequency_stride = g.tiles * channels + (size_t)random_int(random, 0, 20);
  output out = make_output(F32, 15 * a.frequency_stride + g.tiles * channels);
  FOR_EACH_TIER(winograd, {
    a.transformed = blank(&out, scalar);
    kernel->input(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "input");
  })
}

static void compare_output(random_source *random, grid g, size_t channels, int32_t rarity) {
  quern_winograd_output_args a = {0};
  a.height = 2 * g.rows - (size_t)random_int(random, 0, 1);
  a.width = 2 * g.columns - (size_t)random_int(random, 0, 1);
  a.channels = channels;
  a.tile_rows = g.rows;
  a.tile_columns = g.columns;
  a.first_tile = g.first;
  a.tiles = g.tiles;
  a.frequency_stride = g.tiles * channels + (size_t)random_int(random, 0, 20);
  a.products = guarded_floats(random, 15 * a.frequency_stride + g.tiles * channels, -2, 2, rarity);
  a.residual_height = a.height + (size_t)random_int(random, 0, 2);
  a.residual_width = a.width + (size_t)random_int(random, 0, 2);
  a.residual_stride = channels + 3;
  a.clamp = random_clamp(random);
  a.output_stride = channels + 5;
  if (random_chance(random, 2)) {
    const size_t pixels = g.images * a.residual_height * a.residual_width;
    a.residual = guarded_floats(random, pixels * a.residual_stride - 3, -2, 2, rarity);
  }
  output out = make_output(F32, g.images * a.height * a.width * a.output_stride - 5);
  FOR_EACH_TIER(winograd, {
    a.output = blank(&out, scalar);
    kernel->output(&a);
    scalar ? add_to_digest(&out) : compare(kernel->name, &out, "output");
  })
}

void compare_winograd(uint64_t seed) {
  begin_problem("winograd", seed);
  random_source random = {seed};
  const grid g = random_grid(&random);
  const size_t channels = (size_t)random_int(&random, 1, 70);
  const int32_t rarity = random_chance(&random, 3) ? 60 : 0;
  describe("%zu images of %zu x %zu tiles, %zu from %zu on, %zu channels", g.images, g.rows, g.columns, g.tiles, g.first,
           channels);
  compare_input(&random, g, channels, rarity);
  compare_output(&random, g, channels, rarity);
}
