#include "quern_depthwise_f32.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

// Up to 64 channels in 4 registers for one row at a time: the weights of a block of channels stay in the first-level
// cache while the rows pass over them.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 16, max_vectors = 4, max_tile_vectors = 2, max_outputs = 7, max_kernel_width = 7 };

INLINE void run_block(const quern_depthwise_f32_args *a, size_t channel, __mmask16 last, int V) {
  const float *input = a->input + channel, *weights = a->weights + channel, *bias = a->bias + channel;
  const size_t taps = a->taps, channels = a->channels;
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * taps;
    __m512 acc[max_vectors];
    UNROLL for (int v = 0; v < V; ++v) {
      acc[v] = _mm512_maskz_loadu_ps(v == V - 1 ? last : (__mmask16)0xFFFF, bias + v * width);
    }
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const float *x = input + offsets[t], *w = weights + t * channels;
      UNROLL for (int v = 0; v < V; ++v) {
        const __mmask16 mask = v == V - 1 ? last : (__mmask16)0xFFFF;
        acc[v] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + v * width), _mm512_maskz_loadu_ps(mask, w + v * width),
                                 acc[v]);
      }
    }
    float *y = a->output + row * a->output_stride + channel;
    UNROLL for (int v = 0; v < V; ++v) {
      acc[v] = quern_clamped_512(acc[v], &a->clamp);
      _mm512_mask_storeu_ps(y + v * width, v == V - 1 ? last : (__mmask16)0xFFFF, acc[v]);
    }
  }
}

// A tile is W neighbouring outputs x V vectors of channels, for a kernel with KW taps per line and outputs that are S
// columns apart. Each column is read once for all outputs that have it as a tap, and the weights of a line of the
// kernel once for all outputs. For each output, taps are still added in order.
INLINE void run_tile(const quern_depthwise_f32_args *a, size_t row, size_t channel, __mmask16 last, int W, int V, int KW,
                     int S) {
  const size_t taps = a->taps, channels = a->channels;
  const float *input = a->input + channel, *bias = a->bias + channel;
  __m512 acc[max_outputs][max_tile_vectors];
  UNROLL for (int v = 0; v < V; ++v) {
    const __m512 first = _mm512_maskz_loadu_ps(v == V - 1 ? last : (__mmask16)0xFFFF, bias + v * width);
    UNROLL for (int i = 0; i < W; ++i) acc[i][v] = first;
  }
  const int32_t *offsets = a->offsets + row * taps;
  for (size_t t = 0; t < taps; t += (size_t)KW) {
    const float *w = a->weights + t * channels + channel;
    __m512 weights[max_kernel_width][max_tile_vectors];
    UNROLL for (int k = 0; k < KW; ++k) {
      UNROLL for (int v = 0; v < V; ++v) {
        weights[k][v] = _mm512_maskz_loadu_ps(v == V - 1 ? last : (__mmask16)0xFFFF, w + (size_t)k * channels + v * width);
      }
    }
    UNROLL for (int j = 0; j < (W - 1) * S + KW; ++j) {
      // The first output that has the column as a tap.
      const int first = j < KW ? 0 : (j - KW) / S + 1;
      const int32_t offset = offsets[(size_t)first * taps + t + (size_t)(j - first * S)];
      if (offset < 0) continue;
      UNROLL for (int v = 0; v < V; ++v) {
        const __m512 x = _mm512_maskz_loadu_ps(v == V - 1 ? last : (__mmask16)0xFFFF, input + offset + v * width);
        UNROLL for (int i = 0; i < W; ++i) {
          const int k = j - i * S;
          if (k >= 0 && k < KW) acc[i][v] = _mm512_fmadd_ps(x, weights[k][v], acc[i][v]);
        }
      }
    }
  }
  UNROLL for (int i = 0; i < W; ++i) {
    float *y = a->output + (row + (size_t)i) * a->output_stride + channel;
    UNROLL for (int v = 0; v < V; ++v) {
      acc[i][v] = quern_clamped_512(acc[i][v], &a->clamp);
      _mm512_mask_storeu_ps(y + v * width, v == V - 1 ? last : (__mmask16)0xFFFF, acc[i][v]);
    }
  }
}

typedef void (*tile_function)(const quern_depthwise_f32_args *, size_t row, size_t channel, __mmask16 last);

#define TILE(KW, S, V, W) \
  static void tile_##KW##_##S##_##V##_##W(const quern_depthwise_f32_args *a, size_t row, size_t channel, __mmask16 last) { \
    run_tile(a, row, channel, last, W, V, KW, S); \
  }
#define TILES(KW, S) TILE(KW, S, 1, 4) TILE(KW, S, 1, 7) TILE(KW, S, 2, 4) TILE(KW, S, 2, 7)
TILES(3, 1)
TILES(3, 2)
TILES(5, 1)
TILES(5, 2)
TILES(7, 1)
TILES(7, 2)

// Indexed by the width of the kernel (3, 5, 7), step, vectors, and outputs (4, 7).
#define OF(KW, S) {{tile_##KW##_##S##_1_4, tile_##KW##_##S##_1_7}, {tile_##KW##_##S##_2_4, tile_##KW##_##S##_2_7}}
static const tile_function tiles[3][2][2][2] = {{OF(3, 1), OF(3, 2)}, {OF(5, 1), OF(5, 2)}, {OF(7, 1), OF(7, 2)}};

static size_t tiled(size_t line, size_t outputs) { return (line + outputs - 1) / outputs * outputs; }

static int has_tiles(const quern_depthwise_f32_args *a) {
  const size_t width = a->kernel_width;
  return a->line >= 4 && (width == 3 || width == 5 || width == 7) && (a->step == 1 || a->step == 2);
}

// Computes line by line, with all channels, so that a line's input stays in the first-level cache for the next line.
// The last tile of a line is as wide as the others and computes some outputs again.
static void run_lines(const quern_depthwise_f32_args *a) {
  const int wide = a->line >= 7 && tiled(a->line, 7) <= tiled(a->line, 4);
  const size_t outputs = wide ? 7 : 4, pieces = (a->line + outputs - 1) / outputs;
  const tile_function(*of_kernel)[2] = tiles[a->kernel_width / 2 - 1][a->step - 1];
  for (size_t row = 0; row < a->rows; row += a->line) {
    for (size_t channel = 0; channel < a->channels; channel += max_tile_vectors * width) {
      const size_t left = a->channels - channel, vectors = left > width ? 2 : 1, tail = left - (vectors - 1) * width;
      const __mmask16 last = tail < width ? (__mmask16)((1u << tail) - 1) : (__mmask16)0xFFFF;
      const tile_function tile = of_kernel[vectors - 1][wide];
      for (size_t i = 0; i < pieces; ++i) {
        const size_t first = i * outputs;
        tile(a, row + (first + outputs <= a->line ? first : a->line - outputs), channel, last);
      }
    }
  }
}

void quern_depthwise_f32_avx512(const quern_depthwise_f32_args *a) {
  if (has_tiles(a)) return run_lines(a);
  size_t channel = 0;
  for (; channel + 64 <= a->channels; channel += 64) run_block(a, channel, (__mmask16)0xFFFF, 4);
  const size_t left = a->channels - channel, tail = left % width;
  const __mmask16 last = tail ? (__mmask16)((1u << tail) - 1) : (__mmask16)0xFFFF;
  if (left > 48) {
    run_block(a, channel, last, 4);
  } else if (left > 32) {
    run_block(a, channel, last, 3);
  } else if (left > 16) {
    run_block(a, channel, last, 2);
  } else if (left > 0) {
    run_block(a, channel, last, 1);
  }
}

#pragma clang attribute pop
#endif
