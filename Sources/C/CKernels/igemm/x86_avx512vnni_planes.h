// Conversions of planes of levels and of remainders to vectors of floats and back, for both epilogues. The including
// file defines INLINE and UNROLL and enables the tier's instruction sets.

// Packing four vectors of dwords gives 16 dwords, a 4 x 4 matrix that is transposed. This order transposes it back, and
// is its own inverse.
INLINE __m512i transposed_order(void) {
  return _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

INLINE __m512i transpose_dwords(__m512i bytes) { return _mm512_permutexvar_epi32(transposed_order(), bytes); }

// The order that selects the lower words of the dwords of two vectors, with those of the same lane side by side.
INLINE __m512i low_words(void) {
  return _mm512_set_epi16(62, 60, 58, 56, 30, 28, 26, 24, 54, 52, 50, 48, 22, 20, 18, 16, 46, 44, 42, 40, 14, 12, 10, 8, 38,
                          36, 34, 32, 6, 4, 2, 0);
}

// A residual becomes floats without conversion instructions: unsigned 16-bit numbers are put into the mantissa of 2^23,
// and 2^23, the zero point and an offset are subtracted, which is exact. With remainders, which are stored plus 128,
// the number is 256 level + remainder + 128; without, it is the level.
typedef struct {
  __m512 residual_zero, residual_multiplier;
} residual_constants;

INLINE residual_constants residual_constants_of_levels(const quern_igemm_args *a) {
  return (residual_constants){_mm512_set1_ps(8388608.0f + (float)a->residual_zero_point),
                              _mm512_set1_ps(a->residual_multiplier)};
}

INLINE residual_constants residual_constants_with_remainders(const quern_igemm_args *a) {
  return (residual_constants){_mm512_set1_ps(8388608.0f + (float)(256 * a->residual_zero_point + 128)),
                              _mm512_set1_ps(a->residual_multiplier / 256.0f)};
}

// Adds the residual of B blocks of 16 channels to `real`. Its 16-bit numbers are those of `low` and then of `high`,
// lane by lane.
INLINE void add_numbers(const residual_constants *k, __m512i low, __m512i high, __m512 *real, int B) {
  const __m512i exponent = _mm512_set1_epi16(0x4B00);
  const __m512i numbers[4] = {_mm512_unpacklo_epi16(low, exponent), _mm512_unpackhi_epi16(low, exponent),
                              _mm512_unpacklo_epi16(high, exponent), _mm512_unpackhi_epi16(high, exponent)};
  UNROLL for (int b = 0; b < B; ++b) {
    const __m512 level = _mm512_sub_ps(_mm512_castsi512_ps(numbers[b]), k->residual_zero);
    real[b] = _mm512_add_ps(real[b], _mm512_mul_ps(level, k->residual_multiplier));
  }
}
