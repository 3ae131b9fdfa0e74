#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Decoding and encoding of images. libjpeg and libpng report errors by longjmp, which must not cross
/// Swift frames: these functions contain it.
///
/// All functions are thread-safe, keep no state, and read nothing outside `data[0 ..< size]`.

/// The result of a function that returns int.
enum quern_codec_status {
  QUERN_CODEC_OK = 0,
  /// The data ends before the last pixel.
  QUERN_CODEC_TRUNCATED = 1,
  /// The data contradicts the format; `message` says how.
  QUERN_CODEC_CORRUPT = 2,
  /// The data is valid, but of a kind that is not supported; `message` says which.
  QUERN_CODEC_UNSUPPORTED = 3,
  QUERN_CODEC_OUT_OF_MEMORY = 4,
  /// Decoding would exceed a limit; `message` says which.
  QUERN_CODEC_LIMIT = 5,
};

/// Where and why decoding failed.
struct quern_codec_failure {
  /// The number of bytes that had been read.
  size_t offset;
  /// The library's message; empty where there is none.
  char message[224];
};

/// The size of an image in pixels.
struct quern_image_size {
  uint32_t width;
  uint32_t height;
};

/// What the passes over an image may take. A file of a few kilobytes can require thousands of passes over all of its
/// blocks of 8x8 samples.
struct quern_jpeg_limits {
  /// The number of scans.
  uint32_t scans;
  /// The number of blocks of all scans together, in files that have to be read to their end before the first pixel.
  uint64_t blocks;
};

/// Reads the size from the header.
///
/// - Parameter coefficient_bytes: the memory that the coefficients of the whole image take besides its pixels; 0 for
///   files whose only scan is decoded row by row.
int quern_jpeg_read_size(
    const uint8_t *data, size_t size, struct quern_image_size *result, uint64_t *coefficient_bytes,
    struct quern_codec_failure *failure);

/// Decodes to `rgb[height][width][3]`; `expected` is the size from `quern_jpeg_read_size`.
int quern_jpeg_decode(
    const uint8_t *data, size_t size, struct quern_image_size expected, struct quern_jpeg_limits limits, uint8_t *rgb,
    struct quern_codec_failure *failure);

/// Reads the size from the header.
int quern_png_read_size(
    const uint8_t *data, size_t size, struct quern_image_size *result, struct quern_codec_failure *failure);

/// Decodes to `rgb[height][width][3]`; `expected` is the size from `quern_png_read_size`.
int quern_png_decode(
    const uint8_t *data, size_t size, struct quern_image_size expected, uint8_t *rgb,
    struct quern_codec_failure *failure);

/// Reads the size from the header. Animations are not supported.
///
/// - Parameter working_bytes: the memory that decoding takes besides the pixels and the tables.
int quern_webp_read_size(
    const uint8_t *data, size_t size, struct quern_image_size *result, uint64_t *working_bytes,
    struct quern_codec_failure *failure);

/// The memory that the tables of prefix codes take. A lossless image of a megabyte may have 65,536 groups of codes.
/// `expected` is the size from `quern_webp_read_size`; counting the groups takes a byte for every four of its pixels.
uint64_t quern_webp_table_bytes(const uint8_t *data, size_t size, struct quern_image_size expected);

/// Decodes to `rgb[height][width][3]`; `expected` is the size from `quern_webp_read_size`.
int quern_webp_decode(
    const uint8_t *data, size_t size, struct quern_image_size expected, uint8_t *rgb,
    struct quern_codec_failure *failure);

/// The maximum number of bytes that `quern_png_encode` writes for an image of a size whose pixels fit in memory.
size_t quern_png_encoded_limit(struct quern_image_size size);

/// Encodes `rgb[height][width][3]` to `data`, which has room for `*size` bytes, and sets `*size` to the number of bytes
/// written. The bytes depend only on the pixels and on the versions of libpng and zlib.
int quern_png_encode(const uint8_t *rgb, struct quern_image_size dimensions, uint8_t *data, size_t *size);

#ifdef __cplusplus
}
#endif
