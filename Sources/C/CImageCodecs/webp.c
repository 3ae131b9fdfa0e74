#include "quern_image_codecs.h"

#include "webp_groups.h"

#include <stdio.h>

#include <webp/decode.h>

/// Whether the file is shorter than its header says.
static int is_cut(const uint8_t *data, size_t size) {
  if (size < 12) return 1;
  uint64_t length = data[4] | (uint64_t)data[5] << 8 | (uint64_t)data[6] << 16 | (uint64_t)data[7] << 24;
  return size < 8 + length;
}

static int failed(VP8StatusCode status, const uint8_t *data, size_t size, struct quern_codec_failure *failure) {
  const char *message = "";
  int result = QUERN_CODEC_CORRUPT;
  switch (status) {
    case VP8_STATUS_OK: return QUERN_CODEC_OK;
    case VP8_STATUS_OUT_OF_MEMORY: result = QUERN_CODEC_OUT_OF_MEMORY; break;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: result = QUERN_CODEC_TRUNCATED; break;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      result = QUERN_CODEC_UNSUPPORTED;
      message = "a feature that libwebp does not know";
      break;
    case VP8_STATUS_INVALID_PARAM:
    case VP8_STATUS_BITSTREAM_ERROR:
    case VP8_STATUS_USER_ABORT: message = "its data contradict the format"; break;
  }
  // A decoder that runs out of bits may say either.
  if (result == QUERN_CODEC_CORRUPT && is_cut(data, size)) result = QUERN_CODEC_TRUNCATED;
  snprintf(failure->message, sizeof failure->message, "%s", message);
  return result;
}

static int read_features(
    const uint8_t *data, size_t size, WebPBitstreamFeatures *features, struct quern_codec_failure *failure) {
  failure->offset = 0;
  failure->message[0] = 0;
  int status = failed(WebPGetFeatures(data, size, features), data, size, failure);
  if (status != QUERN_CODEC_OK) return status;
  if (features->has_animation) {
    snprintf(failure->message, sizeof failure->message, "it is animated");
    return QUERN_CODEC_UNSUPPORTED;
  }
  return QUERN_CODEC_OK;
}

int quern_webp_read_size(
    const uint8_t *data, size_t size, struct quern_image_size *result, uint64_t *working_bytes,
    struct quern_codec_failure *failure) {
  WebPBitstreamFeatures features;
  int status = read_features(data, size, &features, failure);
  if (status != QUERN_CODEC_OK) return status;
  result->width = (uint32_t)features.width;
  result->height = (uint32_t)features.height;
  // Lossless images are decoded to 32 bits a pixel first. So is an alpha channel of a lossy one, unless it has a
  // palette; its values are stored besides, in 8 bits.
  uint64_t pixels = (uint64_t)features.width * (uint64_t)features.height;
  enum { LOSSY = 1 };
  *working_bytes = features.format != LOSSY ? 4 * pixels : features.has_alpha ? 5 * pixels : 0;
  return QUERN_CODEC_OK;
}

uint64_t quern_webp_table_bytes(const uint8_t *data, size_t size, struct quern_image_size expected) {
  // libwebp reserves up to 5,004 entries of 4 bytes for the five codes of a group, and looks up 64 more at once.
  enum { GROUP_BYTES = 20600 };
  return (uint64_t)GROUP_BYTES * quern_webp_groups(data, size, expected.width, expected.height);
}

int quern_webp_decode(
    const uint8_t *data, size_t size, struct quern_image_size expected, uint8_t *rgb,
    struct quern_codec_failure *failure) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    failure->offset = 0;
    snprintf(failure->message, sizeof failure->message, "another version of libwebp is installed");
    return QUERN_CODEC_UNSUPPORTED;
  }
  int status = read_features(data, size, &config.input, failure);
  if (status != QUERN_CODEC_OK) return status;
  if ((uint32_t)config.input.width != expected.width || (uint32_t)config.input.height != expected.height) {
    snprintf(failure->message, sizeof failure->message, "the size changed between two readings");
    return QUERN_CODEC_CORRUPT;
  }
  // Alpha is dropped without compositing.
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = rgb;
  config.output.u.RGBA.stride = (int)expected.width * 3;
  config.output.u.RGBA.size = (size_t)expected.width * expected.height * 3;
  status = failed(WebPDecode(data, size, &config), data, size, failure);
  WebPFreeDecBuffer(&config.output);
  return status;
}
