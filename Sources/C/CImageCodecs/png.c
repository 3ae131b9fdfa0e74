#include "quern_image_codecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct reader {
  png_structp codec;
  png_infop info;
  const uint8_t *data;
  size_t size;
  size_t offset;
  int reached_end;
  int status;
  struct quern_codec_failure *failure;
  png_bytepp rows;
  /// Whether every pixel has been read.
  int complete;
};

static void on_error(png_structp codec, png_const_charp message) {
  struct reader *reader = (struct reader *)png_get_error_ptr(codec);
  reader->status = reader->reached_end ? QUERN_CODEC_TRUNCATED : QUERN_CODEC_CORRUPT;
  snprintf(reader->failure->message, sizeof reader->failure->message, "%s", reader->reached_end ? "" : message);
  png_longjmp(codec, 1);
}

static void on_warning(png_structp codec, png_const_charp message) {
  (void)codec;
  (void)message;
}

static void read_bytes(png_structp codec, png_bytep destination, size_t count) {
  struct reader *reader = (struct reader *)png_get_io_ptr(codec);
  if (count > reader->size - reader->offset) {
    reader->offset = reader->size;
    reader->reached_end = 1;
    png_error(codec, "end of data");
  }
  memcpy(destination, reader->data + reader->offset, count);
  reader->offset += count;
}

static void read_header(struct reader *reader) {
  png_structp codec = reader->codec;
  png_set_read_fn(codec, reader, read_bytes);
  // The caller limits the number of pixels, so the library's limits of width and height are not needed.
  png_set_user_limits(codec, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Texts, profiles and gamma values do not affect the pixels, and chunks that are not parsed cannot be exploited.
  png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(codec, reader->info);
}

/// Converts all kinds to 8-bit RGB: 16-bit samples lose their low byte, alpha is dropped without compositing, and
/// indices outside the palette are black.
static void set_transformations(struct reader *reader) {
  png_structp codec = reader->codec;
  png_byte type = png_get_color_type(codec, reader->info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(codec);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(codec);
  if (!(type & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(codec);
  png_set_strip_16(codec);
  png_set_strip_alpha(codec);
  png_set_interlace_handling(codec);
  png_read_update_info(codec, reader->info);
}

static void decode(struct reader *reader, struct quern_image_size expected, uint8_t *rgb) {
  png_structp codec = reader->codec;
  if (png_get_image_width(codec, reader->info) != expected.width
      || png_get_image_height(codec, reader->info) != expected.height) {
    png_error(codec, "the size changed between two readings");
  }
  set_transformations(reader);
  size_t row_bytes = (size_t)expected.width * 3;
  if (png_get_rowbytes(codec, reader->info) != row_bytes) png_error(codec, "unexpected row size");
  reader->rows = malloc(sizeof(png_bytep) * expected.height);
  if (!reader->rows) {
    reader->status = QUERN_CODEC_OUT_OF_MEMORY;
    png_longjmp(codec, 1);
  }
  for (size_t y = 0; y < expected.height; y++) reader->rows[y] = rgb + y * row_bytes;
  png_read_image(codec, reader->rows);
  reader->complete = 1;
  png_read_end(codec, NULL);
}

static int run(
    const uint8_t *data, size_t size, struct quern_image_size *header, uint8_t *rgb,
    struct quern_codec_failure *failure) {
  struct reader reader;
  memset(&reader, 0, sizeof reader);
  reader.data = data;
  reader.size = size;
  reader.failure = failure;
  failure->offset = 0;
  failure->message[0] = 0;
  reader.codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.codec) reader.info = png_create_info_struct(reader.codec);
  if (!reader.info) {
    png_destroy_read_struct(&reader.codec, NULL, NULL);
    return QUERN_CODEC_OUT_OF_MEMORY;
  }
  if (!setjmp(png_jmpbuf(reader.codec))) {
    read_header(&reader);
    if (rgb) {
      decode(&reader, *header, rgb);
    } else {
      header->width = png_get_image_width(reader.codec, reader.info);
      header->height = png_get_image_height(reader.codec, reader.info);
    }
  }
  // A file that ends between its last pixel and its end marker counts as complete; one with a wrong checksum does not.
  if (reader.complete && reader.status == QUERN_CODEC_TRUNCATED) reader.status = QUERN_CODEC_OK;
  failure->offset = reader.offset;
  free(reader.rows);
  png_destroy_read_struct(&reader.codec, &reader.info, NULL);
  return reader.status;
}

int quern_png_read_size(
    const uint8_t *data, size_t size, struct quern_image_size *result, struct quern_codec_failure *failure) {
  return run(data, size, result, NULL, failure);
}

int quern_png_decode(
    const uint8_t *data, size_t size, struct quern_image_size expected, uint8_t *rgb,
    struct quern_codec_failure *failure) {
  return run(data, size, &expected, rgb, failure);
}

static png_image described(struct quern_image_size size) {
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = size.width;
  image.height = size.height;
  image.format = PNG_FORMAT_RGB;
  return image;
}

size_t quern_png_encoded_limit(struct quern_image_size size) {
  png_image image = described(size);
  return PNG_IMAGE_PNG_SIZE_MAX(image);
}

int quern_png_encode(const uint8_t *rgb, struct quern_image_size dimensions, uint8_t *data, size_t *size) {
  png_image image = described(dimensions);
  png_alloc_size_t count = *size;
  // The simplified interface catches its own longjmp.
  int written = png_image_write_to_memory(&image, data, &count, 0, rgb, 0, NULL);
  png_image_free(&image);
  *size = written ? count : 0;
  return written ? QUERN_CODEC_OK : QUERN_CODEC_CORRUPT;
}
