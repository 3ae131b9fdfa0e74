#include "quern_moments.h"

#include <string.h>

size_t quern_moments_packed_bytes(size_t quads, size_t columns) { return (columns + 15) / 16 * quads * 64; }

void quern_moments_pack(const uint8_t *const samples[4], size_t groups, size_t depth, size_t first, size_t quad,
                        size_t quads, uint8_t *packed, size_t group_bytes) {
  const uint8_t *a = samples[0], *b = samples[1], *c = samples[2], *d = samples[3];
  for (size_t group = 0; group < groups; group++, packed += group_bytes) {
    for (size_t done = 0; done < depth;) {
      const size_t column = first + done, lane = column % 16;
      const size_t count = depth - done < 16 - lane ? depth - done : 16 - lane;
      uint8_t *to = packed + (column / 16 * quads + quad) * 64 + lane * 4;
      for (size_t i = 0; i < count; i++, to += 4) {
        to[0] = a[i];
        to[1] = b[i];
        to[2] = c[i];
        to[3] = d[i];
      }
      a += count, b += count, c += count, d += count;
      done += count;
    }
  }
}
