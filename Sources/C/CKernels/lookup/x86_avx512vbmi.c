#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))), apply_to = function)

// 64 values at a time. A permutation of two registers looks up the low seven bits; the eighth bit selects one of two
// results.

#define INLINE static inline __attribute__((always_inline))

typedef struct {
  __m512i part[4];
} registers;

INLINE __m512i looked_up(__m512i x, const registers *table) {
  const __m512i low = _mm512_permutex2var_epi8(table->part[0], x, table->part[1]);
  const __m512i high = _mm512_permutex2var_epi8(table->part[2], x, table->part[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

void quern_lookup_avx512vbmi(const uint8_t *x, size_t count, const uint8_t *table, uint8_t *y) {
  registers parts;
  for (int i = 0; i < 4; ++i) parts.part[i] = _mm512_loadu_si512(table + 64 * i);
  size_t i = 0;
  for (; i + 64 <= count; i += 64) _mm512_storeu_si512(y + i, looked_up(_mm512_loadu_si512(x + i), &parts));
  if (i == count) return;
  const __mmask64 mask = ((__mmask64)1 << (count - i)) - 1;
  _mm512_mask_storeu_epi8(y + i, mask, looked_up(_mm512_maskz_loadu_epi8(mask, x + i), &parts));
}

#pragma clang attribute pop
#endif
