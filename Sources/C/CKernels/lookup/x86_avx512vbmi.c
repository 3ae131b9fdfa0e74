#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))), apply_to = function)

// 64 values at a time, or 32 at the end of a row; masks select the remaining ones. A permutation of two registers looks
// up the low seven bits; the eighth bit selects one of two results.

#define INLINE static inline __attribute__((always_inline))

typedef struct {
  __m512i part[4];
} registers;

INLINE __m512i looked_up(__m512i x, const registers *table) {
  const __m512i low = _mm512_permutex2var_epi8(table->part[0], x, table->part[1]);
  const __m512i high = _mm512_permutex2var_epi8(table->part[2], x, table->part[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

void quern_lookup_avx512vbmi(const quern_lookup_args *a) {
  registers parts;
  for (int i = 0; i < 4; ++i) parts.part[i] = _mm512_loadu_si512(a->table + 64 * i);
  const size_t whole = a->row_bytes / 64 * 64, left = a->row_bytes - whole;
  const __mmask64 mask = ((__mmask64)1 << left) - 1;
  for (size_t row = 0; row < a->rows; ++row) {
    const uint8_t *x = a->input + row * a->input_stride;
    uint8_t *y = a->output + row * a->output_stride;
    for (size_t i = 0; i < whole; i += 64) _mm512_storeu_si512(y + i, looked_up(_mm512_loadu_si512(x + i), &parts));
    if (left == 32) { // masked byte stores are slow on some processors
      const __m512i values = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(x + whole)));
      _mm256_storeu_si256((__m256i *)(y + whole), _mm512_castsi512_si256(looked_up(values, &parts)));
    } else if (left > 0) {
      _mm512_mask_storeu_epi8(y + whole, mask, looked_up(_mm512_maskz_loadu_epi8(mask, x + whole), &parts));
    }
  }
}

#pragma clang attribute pop
#endif
