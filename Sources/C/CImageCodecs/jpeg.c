#include "quern_image_codecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

struct reader {
  struct jpeg_decompress_struct codec;
  struct jpeg_source_mgr source;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf failed;
  int status;
  struct quern_codec_failure *failure;
  struct quern_jpeg_limits limits;
  /// The blocks of all scans that have been read, in files with several scans.
  uint64_t blocks;
  uint8_t *row;
};

static void fail(struct reader *reader, int status, const char *message) {
  reader->status = status;
  snprintf(reader->failure->message, sizeof reader->failure->message, "%s", message);
  longjmp(reader->failed, 1);
}

static void on_error(j_common_ptr codec) {
  struct reader *reader = (struct reader *)codec->client_data;
  char message[JMSG_LENGTH_MAX];
  codec->err->format_message(codec, message);
  int status = QUERN_CODEC_CORRUPT;
  switch (codec->err->msg_code) {
    case JERR_OUT_OF_MEMORY: status = QUERN_CODEC_OUT_OF_MEMORY; break;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED: status = QUERN_CODEC_UNSUPPORTED; break;
    default: break;
  }
  fail(reader, status, message);
}

static void on_message(j_common_ptr codec) { (void)codec; }

static void on_progress(j_common_ptr codec) {
  struct reader *reader = (struct reader *)codec->client_data;
  struct jpeg_decompress_struct *decoder = &reader->codec;
  char message[128];
  if ((uint32_t)decoder->input_scan_number > reader->limits.scans) {
    snprintf(message, sizeof message, "it has more than %u scans", reader->limits.scans);
    fail(reader, QUERN_CODEC_LIMIT, message);
  }
  // Until output begins, libjpeg calls this after each row of MCUs, or of as many blocks of one component.
  if (!jpeg_has_multiple_scans(decoder) || decoder->output_scanline > 0) return;
  for (int i = 0; i < decoder->comps_in_scan; i++) {
    jpeg_component_info *component = decoder->cur_comp_info[i];
    reader->blocks += (uint64_t)component->width_in_blocks * (uint64_t)component->v_samp_factor;
  }
  if (reader->blocks > reader->limits.blocks) {
    snprintf(
        message, sizeof message, "its scans have more than %llu blocks of 8x8 samples",
        (unsigned long long)reader->limits.blocks);
    fail(reader, QUERN_CODEC_LIMIT, message);
  }
}

static void no_operation(j_decompress_ptr codec) { (void)codec; }

/// All data is available from the start. When the library requests more, it is told to suspend, which distinguishes the
/// end of the data from the end of the image. (Its own memory source would insert an end-of-image marker and return an
/// image that is partly grey.)
static boolean no_more_input(j_decompress_ptr codec) {
  (void)codec;
  return FALSE;
}

static void skip_input(j_decompress_ptr codec, long count) {
  if (count <= 0) return;
  size_t step = (size_t)count;
  if (step > codec->src->bytes_in_buffer) step = codec->src->bytes_in_buffer;
  codec->src->next_input_byte += step;
  codec->src->bytes_in_buffer -= step;
}

static void open_reader(struct reader *reader, const uint8_t *data, size_t size) {
  reader->codec.err = jpeg_std_error(&reader->errors);
  reader->errors.error_exit = on_error;
  reader->errors.output_message = on_message;
  reader->codec.client_data = reader;
  jpeg_create_decompress(&reader->codec);
  reader->progress.progress_monitor = on_progress;
  reader->codec.progress = &reader->progress;
  reader->source.next_input_byte = data;
  reader->source.bytes_in_buffer = size;
  reader->source.init_source = no_operation;
  reader->source.fill_input_buffer = no_more_input;
  reader->source.skip_input_data = skip_input;
  reader->source.resync_to_restart = jpeg_resync_to_restart;
  reader->source.term_source = no_operation;
  reader->codec.src = &reader->source;
}

static void read_header(struct reader *reader) {
  int found;
  do {
    found = jpeg_read_header(&reader->codec, FALSE);
  } while (found == JPEG_HEADER_TABLES_ONLY);
  if (found == JPEG_SUSPENDED) fail(reader, QUERN_CODEC_TRUNCATED, "");
  int components = reader->codec.num_components;
  if (components != 1 && components != 3 && components != 4) {
    char message[64];
    snprintf(message, sizeof message, "%d colour components instead of 1, 3 or 4", components);
    fail(reader, QUERN_CODEC_UNSUPPORTED, message);
  }
}

static uint8_t multiply_divide_255(unsigned a, unsigned b) {
  unsigned product = a * b + 128;
  return (uint8_t)(((product >> 8) + product) >> 8);
}

/// Converts CMYK to RGB as Pillow does. Samples are stored inverted (Adobe's convention, which Pillow assumes): 255 -
/// sample is the amount of ink, and the stored key is the light that the key transmits.
static void rgb_from_inverted_cmyk(const uint8_t *samples, uint8_t *rgb, size_t width) {
  for (size_t x = 0; x < width; x++, samples += 4, rgb += 3) {
    unsigned light = samples[3];
    for (int c = 0; c < 3; c++) {
      int value = (int)light - (int)multiply_divide_255(255u - samples[c], light);
      rgb[c] = (uint8_t)(value < 0 ? 0 : value);
    }
  }
}

static void read_rows(struct reader *reader, uint8_t *rgb) {
  struct jpeg_decompress_struct *codec = &reader->codec;
  size_t width = codec->output_width;
  if (codec->output_components != 3) {
    reader->row = malloc(width * (size_t)codec->output_components);
    if (!reader->row) fail(reader, QUERN_CODEC_OUT_OF_MEMORY, "");
  }
  while (codec->output_scanline < codec->output_height) {
    uint8_t *destination = rgb + (size_t)codec->output_scanline * width * 3;
    JSAMPROW row = reader->row ? reader->row : destination;
    if (jpeg_read_scanlines(codec, &row, 1) != 1) fail(reader, QUERN_CODEC_TRUNCATED, "");
    if (codec->output_components == 1) {
      for (size_t x = 0; x < width; x++) {
        destination[3 * x] = destination[3 * x + 1] = destination[3 * x + 2] = row[x];
      }
    } else if (codec->output_components == 4) {
      rgb_from_inverted_cmyk(row, destination, width);
    }
  }
}

/// The memory of the coefficients, which libjpeg keeps where a file has several scans.
static uint64_t coefficient_bytes(struct jpeg_decompress_struct *codec) {
  if (!jpeg_has_multiple_scans(codec)) return 0;
  uint64_t blocks = 0;
  for (int i = 0; i < codec->num_components; i++) {
    jpeg_component_info *component = &codec->comp_info[i];
    uint64_t wide = (uint64_t)component->h_samp_factor, high = (uint64_t)component->v_samp_factor;
    uint64_t columns = (component->width_in_blocks + wide - 1) / wide * wide;
    blocks += columns * ((component->height_in_blocks + high - 1) / high * high);
  }
  return blocks * sizeof(JBLOCK);
}

static void decode(struct reader *reader, struct quern_image_size expected, uint8_t *rgb) {
  struct jpeg_decompress_struct *codec = &reader->codec;
  if (codec->image_width != expected.width || codec->image_height != expected.height) {
    fail(reader, QUERN_CODEC_CORRUPT, "the size changed between two readings");
  }
  switch (codec->num_components) {
    case 1: codec->out_color_space = JCS_GRAYSCALE; break;
    case 3: codec->out_color_space = JCS_RGB; break;
    default: codec->out_color_space = JCS_CMYK; break;
  }
  // Pillow's settings, so that the pixels are the same as Pillow's.
  codec->dct_method = JDCT_ISLOW;
  codec->do_fancy_upsampling = TRUE;
  if (!jpeg_start_decompress(codec)) fail(reader, QUERN_CODEC_TRUNCATED, "");
  read_rows(reader, rgb);
  // As in Pillow, corrupt data between the last pixel and the end marker is an error, but missing data is not.
  (void)jpeg_finish_decompress(codec);
}

/// Reads only the header if `rgb` is NULL.
static int run(
    const uint8_t *data, size_t size, struct quern_image_size *header, uint64_t *coefficients,
    struct quern_jpeg_limits limits, uint8_t *rgb, struct quern_codec_failure *failure) {
  struct reader reader;
  memset(&reader, 0, sizeof reader);
  reader.failure = failure;
  reader.limits = limits;
  failure->offset = 0;
  failure->message[0] = 0;
  if (!setjmp(reader.failed)) {
    open_reader(&reader, data, size);
    read_header(&reader);
    if (rgb) {
      decode(&reader, *header, rgb);
    } else {
      header->width = reader.codec.image_width;
      header->height = reader.codec.image_height;
      *coefficients = coefficient_bytes(&reader.codec);
    }
  }
  failure->offset = size - reader.source.bytes_in_buffer;
  free(reader.row);
  jpeg_destroy_decompress(&reader.codec);
  return reader.status;
}

int quern_jpeg_read_size(
    const uint8_t *data, size_t size, struct quern_image_size *result, uint64_t *coefficient_bytes,
    struct quern_codec_failure *failure) {
  struct quern_jpeg_limits unlimited = {UINT32_MAX, UINT64_MAX};
  return run(data, size, result, coefficient_bytes, unlimited, NULL, failure);
}

int quern_jpeg_decode(
    const uint8_t *data, size_t size, struct quern_image_size expected, struct quern_jpeg_limits limits, uint8_t *rgb,
    struct quern_codec_failure *failure) {
  uint64_t coefficients = 0;
  return run(data, size, &expected, &coefficients, limits, rgb, failure);
}
