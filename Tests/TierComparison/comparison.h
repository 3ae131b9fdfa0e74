#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quern_clamp.h"

// Random problems for every kernel family, run by every tier of its table that the machine has and compared with the
// scalar tier bit for bit (all NaN are alike). Needs no Swift, so that it runs under an emulator of another processor.

// SplitMix64: the same numbers for the same seed, everywhere. A draw a statement, since C orders no others.
typedef struct {
  uint64_t state;
} random_source;

uint64_t random_bits(random_source *);
int32_t random_int(random_source *, int32_t least, int32_t most);
float random_float(random_source *, float least, float most);
bool random_chance(random_source *, int32_t one_in);

// Memory that ends where an inaccessible page begins, so that reading or writing one element too far crashes. It stays
// until the next problem.
enum { GUARDED_BYTES_MOST = 4 << 20 };
void *guarded(size_t bytes);

// The same, filled. Extreme bytes are all 0 or all 255.
uint8_t *guarded_bytes(random_source *, size_t count, bool extreme);
// Weights in [-127, 127]; extreme ones are at either end, alike in every run of `period`.
int8_t *guarded_weights(random_source *, size_t count, bool extreme, size_t period);
int32_t *guarded_ints(random_source *, size_t count, int32_t least, int32_t most);
// About one value in `rarity` is NaN, infinite, huge, tiny or minus zero; none if 0.
float *guarded_floats(random_source *, size_t count, float least, float most, int32_t rarity);

typedef struct {
  int32_t zero_point, least, most;
} output_range;

output_range random_range(random_source *);

typedef enum { U8, U32, F32 } element;

// An output of a kernel. All of it is compared, what no tier may touch included.
// Bounds of float32 results, sometimes none.
quern_clamp random_clamp(random_source *);

typedef struct {
  void *expected, *result;
  size_t count;
  element element;
} output;

output make_output(element, size_t count);
// Makes the result blank again, or like `initial`, before a tier runs; so does it the expectation if `scalar`.
void *blank(output *, bool scalar);
void *copied(output *, bool scalar, const void *initial);

// Begins the next problem: its memory is new, and its shape is told if a tier fails.
void begin_problem(const char *family, uint64_t seed);
void describe(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Whether this machine runs the tier; counts the problems it ran.
bool tier_runs(const char *name, uint32_t needed_features);
// Reports where the tier's result differs; adds the expectation to the digest, once a problem.
void compare(const char *tier, const output *, const char *what);
void add_to_digest(const output *);

// Runs a block, in which `kernel` and `scalar` are set, for the scalar tier (the last row) and then for the others.
#define FOR_EACH_TIER(family, ...) \
  for (size_t index = quern_##family##_kernel_count; index-- > 0;) { \
    const quern_##family##_kernel *kernel = &quern_##family##_kernels[index]; \
    const bool scalar = index + 1 == quern_##family##_kernel_count; \
    if (!tier_runs(kernel->name, kernel->needed_features)) continue; \
    __VA_ARGS__ \
  }

void compare_igemm(uint64_t seed);
void compare_depthwise(uint64_t seed);
void compare_depthwise_f32(uint64_t seed);
void compare_rowlinear(uint64_t seed);
void compare_elementwise(uint64_t seed);
void compare_lookup(uint64_t seed);
void compare_pool(uint64_t seed);
void compare_histogram(uint64_t seed);
void compare_moments(uint64_t seed);
void compare_winograd(uint64_t seed);
void compare_layernorm(uint64_t seed);
