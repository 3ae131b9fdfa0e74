#pragma once

#include <stddef.h>
#include <stdint.h>

/// The number of groups of prefix codes that the lossless part of a WebP file has (RFC 9649, section 3): the image, or
/// the alpha channel of a lossy one. As few as 20 bits of a file make a group. Only what libwebp decodes is read, so
/// that the time is within that of decoding, whatever else the file contains.
///
/// - Parameters:
///   - width: the image's width in pixels.
///   - height: its height in pixels.
/// - Returns: the number; 0 for a lossy image, and where the data contradict the format.
uint32_t quern_webp_groups(const uint8_t *data, size_t size, uint32_t width, uint32_t height);
