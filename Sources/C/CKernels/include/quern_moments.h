#pragma once
#include <stddef.h>
#include <stdint.h>

#include "quern_cpu.h"

// Exact sums and second moments of bytes: for samples r of n bytes x[r][i], whose columns are i,
//
//   sums[i]                  += sum over r of x[r][i]
//   moments[i * stride + j]  += sum over r of x[r][i] * x[r][j]     for j <= i
//
// Elements above the diagonal are undefined. The caller adds at most QUERN_MOMENTS_SAMPLES samples in total, so that
// nothing overflows.
//
// Packed samples: blocks of 16 columns; in a block, for each four samples (a quad), for each column, its four bytes.
// Samples past the last one are zero; columns past n are undefined.

enum { QUERN_MOMENTS_SAMPLES = 33025 }; // 255 * 255 * 33025 < 2^31

typedef struct {
  const uint8_t *packed;
  size_t quads;
  size_t columns;
  int32_t *sums;    // [columns]
  int32_t *moments; // [columns][stride]
  size_t stride;    // at least columns
} quern_moments_args;

typedef struct QUERN_SENDABLE {
  const char *name;
  uint32_t needed_features;
  void (*add)(const quern_moments_args *);
} quern_moments_kernel;

// The table, best first, scalar last.
extern const quern_moments_kernel *const quern_moments_kernels;
extern const size_t quern_moments_kernel_count;

// The number of bytes of packed samples.
size_t quern_moments_packed_bytes(size_t quads, size_t columns);

// Packs the four samples of a quad into `depth` columns from `first`, for each of `groups` groups, whose packed forms
// are `group_bytes` bytes apart.
void quern_moments_pack(const uint8_t *const samples[4], // [groups][depth] each
                        size_t groups, size_t depth, size_t first, size_t quad, size_t quads, uint8_t *packed,
                        size_t group_bytes);
