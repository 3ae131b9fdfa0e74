#pragma once

#include <stddef.h>
#include <stdint.h>

/// The number of groups of prefix codes that the lossless parts of a WebP file have (RFC 9649, section 3): of the
/// image, or of its alpha channel, whichever has more. As few as 20 bits of a file make a group.
///
/// - Parameters:
///   - width: the image's width in pixels.
///   - height: its height in pixels.
/// - Returns: the number; 0 for a lossy image, and where the data contradict the format.
uint32_t quern_webp_groups(const uint8_t *data, size_t size, uint32_t width, uint32_t height);
