#include "webp_groups.h"

#include <stdlib.h>
#include <string.h>

/// What of RFC 9649, section 3, must be read to know how many groups of prefix codes a lossless image has: its
/// transforms and the image of the groups' numbers, which precede the codes. They are a small part of the file.

/// Bits, the lowest of each byte first. Behind the end they are zero, and `is_over` is set.
struct bits {
  const uint8_t *data;
  size_t size;
  uint64_t position;
  int is_over;
  /// How many pixels the images that are read from here on may have together.
  uint64_t pixels;
};

static uint32_t read_bits(struct bits *bits, int count) {
  uint32_t value = 0;
  for (int index = 0; index < count; index++, bits->position++) {
    uint64_t byte = bits->position >> 3;
    if (byte >= bits->size) {
      bits->is_over = 1;
      return 0;
    }
    value |= (uint32_t)(bits->data[byte] >> (bits->position & 7) & 1) << index;
  }
  return value;
}

enum { GREEN_SYMBOLS = 256 + 24, BYTE_SYMBOLS = 256, DISTANCE_SYMBOLS = 40, CODE_LENGTHS = 19, MAX_LENGTH = 15 };
enum { MAX_CACHE_BITS = 11, MAX_SYMBOLS = GREEN_SYMBOLS + (1 << MAX_CACHE_BITS) };

/// A canonical prefix code: the number of codes of each length, and the symbols by length and value.
struct code {
  uint16_t counts[MAX_LENGTH + 1];
  uint16_t symbols[MAX_SYMBOLS];
  /// The number of symbols; one symbol takes no bits.
  int total;
};

/// Builds a code from the lengths of its symbols, and returns whether it is complete.
static int build_code(struct code *code, const uint8_t *lengths, int count) {
  memset(code->counts, 0, sizeof code->counts);
  for (int symbol = 0; symbol < count; symbol++) code->counts[lengths[symbol]]++;
  code->total = count - code->counts[0];
  code->counts[0] = 0;
  int next[MAX_LENGTH + 2] = {0}, free_codes = 1;
  for (int length = 1; length <= MAX_LENGTH; length++) {
    next[length + 1] = next[length] + code->counts[length];
    free_codes = 2 * free_codes - code->counts[length];
    if (free_codes < 0) return 0;
  }
  for (int symbol = 0; symbol < count; symbol++) {
    if (lengths[symbol]) code->symbols[next[lengths[symbol]]++] = (uint16_t)symbol;
  }
  return code->total == 1 || free_codes == 0;
}

static int read_symbol(struct bits *bits, const struct code *code) {
  if (code->total == 1) return code->symbols[0];
  int value = 0, first = 0, index = 0;
  for (int length = 1; length <= MAX_LENGTH && !bits->is_over; length++) {
    value |= (int)read_bits(bits, 1);
    int count = code->counts[length];
    if (value - first < count) return code->symbols[index + value - first];
    index += count;
    first = (first + count) << 1;
    value <<= 1;
  }
  bits->is_over = 1;
  return 0;
}

/// Reads a prefix code for `count` symbols, and returns whether it is one.
static int read_code(struct bits *bits, struct code *code, int count) {
  uint8_t lengths[MAX_SYMBOLS] = {0};
  if (read_bits(bits, 1)) {
    int is_pair = (int)read_bits(bits, 1);
    int symbol = (int)read_bits(bits, read_bits(bits, 1) ? 8 : 1);
    if (symbol < count) lengths[symbol] = 1;
    if (is_pair && (symbol = (int)read_bits(bits, 8)) < count) lengths[symbol] = 1;
    return !bits->is_over && build_code(code, lengths, count);
  }
  static const uint8_t order[CODE_LENGTHS] = {17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  int stated = 4 + (int)read_bits(bits, 4);
  for (int index = 0; index < stated && index < CODE_LENGTHS; index++) {
    lengths[order[index]] = (uint8_t)read_bits(bits, 3);
  }
  struct code of_lengths;
  if (stated > CODE_LENGTHS || !build_code(&of_lengths, lengths, CODE_LENGTHS)) return 0;
  memset(lengths, 0, CODE_LENGTHS);
  int left = read_bits(bits, 1) ? 2 + (int)read_bits(bits, 2 + 2 * (int)read_bits(bits, 3)) : count;
  uint8_t previous = 8;
  for (int symbol = 0; symbol < count && left > 0; left--) {
    int length = read_symbol(bits, &of_lengths);
    if (bits->is_over) return 0;
    if (length < 16) {
      lengths[symbol++] = (uint8_t)length;
      if (length) previous = (uint8_t)length;
      continue;
    }
    int times = length == 16   ? 3 + (int)read_bits(bits, 2)
                : length == 17 ? 3 + (int)read_bits(bits, 3)
                               : 11 + (int)read_bits(bits, 7);
    if (times > count - symbol) return 0;
    if (length == 16) memset(lengths + symbol, previous, (size_t)times);
    symbol += times;
  }
  return !bits->is_over && build_code(code, lengths, count);
}

/// The value of a length or a distance that begins with a symbol.
static uint32_t read_extent(struct bits *bits, int symbol) {
  if (symbol < 4) return (uint32_t)symbol + 1;
  int extra = (symbol - 2) >> 1;
  return ((2u + (symbol & 1)) << extra) + read_bits(bits, extra) + 1;
}

/// The distance in pixels that a code stands for: the nearest pixels have codes of their own, in an order by distance.
static uint64_t distance_of(uint32_t code, uint32_t width) {
  if (code > 120) return code - 120;
  // Rows above in the high half, and 8 minus the columns to the left in the low one.
  static const uint8_t places[120] = {
      0x18, 0x07, 0x17, 0x19, 0x28, 0x06, 0x27, 0x29, 0x16, 0x1a, 0x26, 0x2a, 0x38, 0x05, 0x37, 0x39, 0x15, 0x1b, 0x36, 0x3a,
      0x25, 0x2b, 0x48, 0x04, 0x47, 0x49, 0x14, 0x1c, 0x35, 0x3b, 0x46, 0x4a, 0x24, 0x2c, 0x58, 0x45, 0x4b, 0x34, 0x3c, 0x03,
      0x57, 0x59, 0x13, 0x1d, 0x56, 0x5a, 0x23, 0x2d, 0x44, 0x4c, 0x55, 0x5b, 0x33, 0x3d, 0x68, 0x02, 0x67, 0x69, 0x12, 0x1e,
      0x66, 0x6a, 0x22, 0x2e, 0x54, 0x5c, 0x43, 0x4d, 0x65, 0x6b, 0x32, 0x3e, 0x78, 0x01, 0x77, 0x79, 0x53, 0x5d, 0x11, 0x1f,
      0x64, 0x6c, 0x42, 0x4e, 0x76, 0x7a, 0x21, 0x2f, 0x75, 0x7b, 0x31, 0x3f, 0x63, 0x6d, 0x52, 0x5e, 0x00, 0x74, 0x7c, 0x41,
      0x4f, 0x10, 0x20, 0x62, 0x6e, 0x30, 0x73, 0x7d, 0x51, 0x5f, 0x40, 0x72, 0x7e, 0x61, 0x6f, 0x50, 0x71, 0x7f, 0x60, 0x70};
  int64_t distance = (int64_t)(places[code - 1] >> 4) * width + 8 - (places[code - 1] & 15);
  return distance < 1 ? 1 : (uint64_t)distance;
}

/// Reads an image that has one group of codes, and returns its pixels, to be freed; NULL where it is not one, has more
/// pixels than are left, or memory is lacking.
static uint32_t *read_image(struct bits *bits, uint32_t width, uint32_t height) {
  int cache_bits = read_bits(bits, 1) ? (int)read_bits(bits, 4) : 0;
  if (cache_bits > MAX_CACHE_BITS) return NULL;
  uint64_t count = (uint64_t)width * height, pixel = 0;
  if (count > bits->pixels) return NULL;
  bits->pixels -= count;
  struct code *codes = malloc(5 * sizeof *codes);
  uint32_t *pixels = malloc(count * sizeof *pixels), cache[1 << MAX_CACHE_BITS] = {0};
  int is_good = codes && pixels;
  for (int index = 0; is_good && index < 5; index++) {
    int symbols = index == 0   ? GREEN_SYMBOLS + (cache_bits ? 1 << cache_bits : 0)
                  : index == 4 ? DISTANCE_SYMBOLS
                               : BYTE_SYMBOLS;
    is_good = read_code(bits, &codes[index], symbols);
  }
  while (is_good && pixel < count) {
    int symbol = read_symbol(bits, &codes[0]);
    uint64_t start = pixel;
    if (symbol < 256) {
      uint32_t red = (uint32_t)read_symbol(bits, &codes[1]), blue = (uint32_t)read_symbol(bits, &codes[2]);
      uint32_t alpha = (uint32_t)read_symbol(bits, &codes[3]);
      pixels[pixel++] = alpha << 24 | red << 16 | (uint32_t)symbol << 8 | blue;
    } else if (symbol < GREEN_SYMBOLS) {
      uint64_t length = read_extent(bits, symbol - 256);
      uint64_t distance = distance_of(read_extent(bits, read_symbol(bits, &codes[4])), width);
      if (distance > pixel || length > count - pixel) is_good = 0;
      for (; is_good && length > 0; length--, pixel++) pixels[pixel] = pixels[pixel - distance];
    } else {
      pixels[pixel++] = cache[symbol - GREEN_SYMBOLS];
    }
    for (uint64_t index = start; cache_bits && index < pixel; index++) {
      cache[(0x1E35A7BDu * pixels[index]) >> (32 - cache_bits)] = pixels[index];
    }
    if (bits->is_over) is_good = 0;
  }
  free(codes);
  if (is_good) return pixels;
  free(pixels);
  return NULL;
}

/// The number of blocks with a side of a power of two that cover a side.
static uint32_t blocks(uint32_t side, int log) { return (side + (1u << log) - 1) >> log; }

/// The number of groups of an image stream of a size in pixels.
static uint32_t count_groups(struct bits *bits, uint32_t width, uint32_t height) {
  enum { PREDICTION, COLOUR, GREEN, PALETTE, PALETTE_PIXELS = 256 };
  // Pixels may take no bits of the file. A pixel of two transforms and of the groups' numbers stands for at least 4 x 4
  // of the stream's, and there may be a palette.
  bits->pixels = 3 * (uint64_t)blocks(width, 2) * blocks(height, 2) + PALETTE_PIXELS;
  for (int seen = 0; read_bits(bits, 1);) {
    int kind = (int)read_bits(bits, 2);
    if (bits->is_over || seen & 1 << kind) return 0;
    seen |= 1 << kind;
    uint32_t *pixels = NULL;
    if (kind == PALETTE) {
      uint32_t colours = read_bits(bits, 8) + 1;
      pixels = read_image(bits, colours, 1);
      // Few colours are packed into one pixel.
      width = blocks(width, colours > 16 ? 0 : colours > 4 ? 1 : colours > 2 ? 2 : 3);
    } else if (kind != GREEN) {
      int log = 2 + (int)read_bits(bits, 3);
      pixels = read_image(bits, blocks(width, log), blocks(height, log));
    }
    if (kind != GREEN && !pixels) return 0;
    free(pixels);
  }
  if (read_bits(bits, 1)) read_bits(bits, 4);
  if (!read_bits(bits, 1)) return bits->is_over ? 0 : 1;
  int log = 2 + (int)read_bits(bits, 3);
  uint32_t across = blocks(width, log), down = blocks(height, log), last = 0;
  uint32_t *numbers = read_image(bits, across, down);
  if (!numbers) return 0;
  for (uint64_t index = 0; index < (uint64_t)across * down; index++) {
    uint32_t number = numbers[index] >> 8 & 0xFFFF;
    if (number > last) last = number;
  }
  free(numbers);
  return last + 1;
}

/// The number of groups of a lossless image with its header.
static uint32_t count_image_groups(const uint8_t *data, size_t size, uint32_t width, uint32_t height) {
  struct bits bits = {.data = data, .size = size};
  // A signature, both sides less 1, whether alpha is used, and the version.
  if (read_bits(&bits, 8) != 0x2F) return 0;
  uint32_t own_width = read_bits(&bits, 14) + 1, own_height = read_bits(&bits, 14) + 1;
  read_bits(&bits, 1);
  if (read_bits(&bits, 3) != 0 || own_width > width || own_height > height) return 0;
  return count_groups(&bits, own_width, own_height);
}

uint32_t quern_webp_groups(const uint8_t *data, size_t size, uint32_t width, uint32_t height) {
  // libwebp decodes the first image, and with a lossy one the last alpha channel before it. Other chunks must not be
  // read: in a small file, there may be tens of thousands, each with a sixteenth of the image's pixels.
  struct bits alpha = {0};
  // Chunks follow 12 bytes of the RIFF header: four letters, the length, and contents of an even number of bytes.
  for (size_t at = 12; size >= 8 && at <= size - 8;) {
    const uint8_t *chunk = data + at;
    size_t length = chunk[4] | (size_t)chunk[5] << 8 | (size_t)chunk[6] << 16 | (size_t)chunk[7] << 24;
    size_t left = size - at - 8;
    // libwebp reads on behind the end of this chunk, up to that of the file.
    if (memcmp(chunk, "VP8L", 4) == 0) return count_image_groups(chunk + 8, left, width, height);
    if (memcmp(chunk, "VP8 ", 4) == 0) {
      return alpha.data && (read_bits(&alpha, 8) & 3) == 1 ? count_groups(&alpha, width, height) : 0;
    }
    // It also takes an image without a chunk. Only the first chunk of an extended file allows others before the image.
    if (at == 12 && memcmp(chunk, "VP8X", 4) != 0) return count_image_groups(chunk, size - at, width, height);
    if (length > left) return 0;
    if (memcmp(chunk, "ALPH", 4) == 0) alpha = (struct bits){.data = chunk + 8, .size = length};
    at += 8 + length + (length & 1);
  }
  return 0;
}
