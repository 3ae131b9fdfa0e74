/* What the tests of libquern share. */
#pragma once

#include <quern.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int failure_count;

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, quern_last_error());              \
      failure_count++;                                                                                                 \
    }                                                                                                                  \
  } while (0)

/* The call must return a status, with a message if it is an error. */
#define EXPECT(call, expected)                                                                                         \
  do {                                                                                                                 \
    quern_status actual = (call);                                                                                      \
    if (actual != (expected) || (actual != QUERN_OK && quern_last_error()[0] == 0)) {                                  \
      fprintf(stderr, "%s:%d: %s is %s, not %s; last error: %s\n", __FILE__, __LINE__, #call,                          \
              quern_status_name(actual), quern_status_name(expected), quern_last_error());                             \
      failure_count++;                                                                                                 \
    }                                                                                                                  \
  } while (0)

/* An image of pixels that depend on a seed. The caller frees `pixels`. */
static inline quern_image made_image(size_t height, size_t width, unsigned seed) {
  uint8_t *pixels = malloc(3 * height * width);
  uint64_t state = 88172645463325252ull + seed;
  for (size_t index = 0; index < 3 * height * width; index++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    /* Smooth enough to look like a photograph to the network, with some noise. */
    pixels[index] = (uint8_t)((index * 7 / (3 * width) + index % 97 + (state & 31)) & 255);
  }
  return (quern_image){.pixels = pixels, .height = height, .width = width};
}

static inline void free_image(quern_image image) { free((void *)image.pixels); }

/* The bytes of a file, which the caller frees. */
static inline uint8_t *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*size + 1);
  if (fread(bytes, 1, *size, file) != *size) exit(1);
  fclose(file);
  return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
}
