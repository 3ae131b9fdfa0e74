#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Loads and stores fewer than 16 bytes by overlapping accesses: the length is not a constant, and memcpy through a
// buffer in memory would cost more than the arithmetic of a tap.

typedef struct {
  uint64_t low, high;
} quern_16_bytes;

static inline __attribute__((always_inline)) uint64_t quern_read_8(const uint8_t *from) {
  uint64_t word;
  memcpy(&word, from, sizeof word);
  return word;
}

static inline __attribute__((always_inline)) uint32_t quern_read_4(const uint8_t *from) {
  uint32_t word;
  memcpy(&word, from, sizeof word);
  return word;
}

// Loads `count` bytes, from 1 to 15, followed by zeros. Bytes that are read twice are the same in both words, so OR
// combines them.
static inline __attribute__((always_inline)) quern_16_bytes quern_read_partial(const void *bytes, size_t count) {
  const uint8_t *from = bytes;
  if (count > 8) return (quern_16_bytes){quern_read_8(from), quern_read_8(from + count - 8) >> (128 - 8 * count)};
  if (count == 8) return (quern_16_bytes){quern_read_8(from), 0};
  if (count >= 4) {
    return (quern_16_bytes){quern_read_4(from) | (uint64_t)quern_read_4(from + count - 4) << (8 * count - 32), 0};
  }
  const size_t middle = count / 2, last = count - 1;
  return (quern_16_bytes){from[0] | (uint64_t)from[middle] << 8 * middle | (uint64_t)from[last] << 8 * last, 0};
}

// Stores the first `count` of 16 bytes, from 1 to 15.
static inline __attribute__((always_inline)) void quern_write_partial(void *out, const uint8_t bytes[16], size_t count) {
  uint8_t *to = out;
  if (count >= 8) {
    memcpy(to, bytes, 8);
    memcpy(to + count - 8, bytes + count - 8, 8);
  } else if (count >= 4) {
    memcpy(to, bytes, 4);
    memcpy(to + count - 4, bytes + count - 4, 4);
  } else {
    for (size_t i = 0; i < count; ++i) to[i] = bytes[i];
  }
}
