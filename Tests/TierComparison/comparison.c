#define _GNU_SOURCE
#include "comparison.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#pragma STDC FP_CONTRACT OFF

uint64_t random_bits(random_source *random) {
  random->state += 0x9E3779B97F4A7C15u;
  uint64_t z = random->state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

int32_t random_int(random_source *random, int32_t least, int32_t most) {
  const uint64_t span = (uint64_t)((int64_t)most - least) + 1;
  return (int32_t)(least + (int64_t)(random_bits(random) % span));
}

float random_float(random_source *random, float least, float most) {
  const float part = (float)(random_bits(random) >> 40) * 0x1p-24f;
  return least + (most - least) * part;
}

bool random_chance(random_source *random, int32_t one_in) { return random_int(random, 1, one_in) == 1; }

enum { slot_count = 24 };
static size_t slots_used;

void *guarded(size_t bytes) {
  static char *slots;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), stride = GUARDED_BYTES_MOST + page;
  if (!slots) {
    slots = mmap(NULL, slot_count * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED) abort();
    for (size_t i = 0; i < slot_count; ++i) {
      if (mprotect(slots + i * stride + GUARDED_BYTES_MOST, page, PROT_NONE) != 0) abort();
    }
  }
  if (slots_used == slot_count || bytes > GUARDED_BYTES_MOST) abort();
  return slots + slots_used++ * stride + GUARDED_BYTES_MOST - bytes;
}

uint8_t *guarded_bytes(random_source *random, size_t count, bool extreme) {
  uint8_t *bytes = guarded(count);
  const uint8_t end = random_chance(random, 2) ? 255 : 0;
  for (size_t i = 0; i < count; ++i) bytes[i] = extreme ? end : (uint8_t)random_bits(random);
  return bytes;
}

int8_t *guarded_weights(random_source *random, size_t count, bool extreme, size_t period) {
  int8_t *weights = guarded(count);
  for (size_t i = 0; i < count; ++i) {
    weights[i] = extreme ? (i / period % 2 ? -127 : 127) : (int8_t)random_int(random, -127, 127);
  }
  return weights;
}

quern_clamp random_clamp(random_source *random) {
  const float min = random_chance(random, 2) ? 0.0f : random_float(random, -2.0f, 0.0f);
  return (quern_clamp){random_chance(random, 2), min, random_chance(random, 2) ? INFINITY : min + random_float(random, 0.0f, 3.0f)};
}

int32_t *guarded_ints(random_source *random, size_t count, int32_t least, int32_t most) {
  int32_t *values = guarded(count * sizeof *values);
  for (size_t i = 0; i < count; ++i) values[i] = random_int(random, least, most);
  return values;
}

float *guarded_floats(random_source *random, size_t count, float least, float most, int32_t rarity) {
  const float specials[] = {NAN, -NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, -0.0f, 0.0f};
  float *values = guarded(count * sizeof *values);
  for (size_t i = 0; i < count; ++i) {
    values[i] = random_float(random, least, most);
    if (rarity && random_chance(random, rarity)) values[i] = specials[random_int(random, 0, 8)];
  }
  return values;
}

output_range random_range(random_source *random) {
  output_range range;
  const bool real = random_chance(random, 2);
  range.zero_point = real ? random_int(random, 0, 255) : random_int(random, -32000, 32000);
  range.least = random_int(random, 0, 200);
  if (random_chance(random, 2)) range.least = 0;
  range.most = random_int(random, range.least, 255);
  if (random_chance(random, 2)) range.most = 255;
  return range;
}

static size_t size_of(element element) { return element == U8 ? 1 : 4; }

output make_output(element element, size_t count) {
  const size_t bytes = count * size_of(element);
  return (output){.expected = guarded(bytes), .result = guarded(bytes), .count = count, .element = element};
}

void *blank(output *out, bool scalar) {
  void *to = scalar ? out->expected : out->result;
  return memset(to, 0xA5, out->count * size_of(out->element));
}

void *copied(output *out, bool scalar, const void *initial) {
  void *to = scalar ? out->expected : out->result;
  return memcpy(to, initial, out->count * size_of(out->element));
}

static struct {
  const char *family;
  uint64_t seed;
  char shape[300];
} problem;

void begin_problem(const char *family, uint64_t seed) {
  problem.family = family;
  problem.seed = seed;
  problem.shape[0] = 0;
  slots_used = 0;
}

void describe(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem.shape, sizeof problem.shape, format, arguments);
  va_end(arguments);
}

// The bits of an element, those of every NaN being alike.
static uint32_t bits_at(const void *values, element element, size_t index) {
  if (element == U8) return ((const uint8_t *)values)[index];
  const uint32_t bits = ((const uint32_t *)values)[index];
  return element == F32 && (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC00000 : bits;
}

size_t failure_count;
uint64_t digest = 0xCBF29CE484222325u;

void compare(const char *tier, const output *out, const char *what) {
  for (size_t i = 0; i < out->count; ++i) {
    const uint32_t got = bits_at(out->result, out->element, i), wanted = bits_at(out->expected, out->element, i);
    if (got == wanted) continue;
    ++failure_count;
    printf("FAILED: %s %s, tier %s, seed %llu (%s): element %zu is 0x%x instead of 0x%x\n", problem.family, what, tier,
           (unsigned long long)problem.seed, problem.shape, i, got, wanted);
    return;
  }
}

// FNV-1a.
void add_to_digest(const output *out) {
  for (size_t i = 0; i < out->count; ++i) {
    const uint32_t bits = bits_at(out->expected, out->element, i);
    for (int byte = 0; byte < 4; ++byte) digest = (digest ^ (bits >> byte * 8 & 255)) * 0x100000001B3u;
  }
}
