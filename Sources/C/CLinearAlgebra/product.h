// The product of matrices for one element type and one instruction set. Defines NAME(product); needs ELEMENT, NAME,
// TARGET (a function attribute), LANES (elements of a vector), ROWS (of a tile) and VECTORS (in a row of a tile).

#define WIDTH (LANES * VECTORS)
typedef ELEMENT NAME(vector) __attribute__((vector_size(LANES * sizeof(ELEMENT)), aligned(sizeof(ELEMENT))));

// sums[ROWS][WIDTH] = a[k][ROWS]^T b[k][WIDTH]
TARGET static void NAME(tile)(size_t k, const ELEMENT *a, const ELEMENT *b, ELEMENT *sums) {
  NAME(vector) total[ROWS][VECTORS];
  for (int row = 0; row < ROWS; row++)
    for (int vector = 0; vector < VECTORS; vector++) total[row][vector] = (NAME(vector)){0};
  for (size_t index = 0; index < k; index++, a += ROWS, b += WIDTH) {
    NAME(vector) right[VECTORS];
#pragma clang loop unroll(full)
    for (int vector = 0; vector < VECTORS; vector++) right[vector] = *(const NAME(vector) *)(b + vector * LANES);
#pragma clang loop unroll(full)
    for (int row = 0; row < ROWS; row++) {
      NAME(vector) left = a[row] - (NAME(vector)){0};
#pragma clang loop unroll(full)
      for (int vector = 0; vector < VECTORS; vector++)
        total[row][vector] = __builtin_elementwise_fma(left, right[vector], total[row][vector]);
    }
  }
  for (int row = 0; row < ROWS; row++)
    for (int vector = 0; vector < VECTORS; vector++)
      *(NAME(vector) *)(sums + row * WIDTH + vector * LANES) = total[row][vector];
}

// Adds a tile of sums to c. `lower` is the number of elements of the first row that belong to the lower triangle.
TARGET static void NAME(add)(ELEMENT alpha, const ELEMENT *sums, size_t rows, size_t columns, ptrdiff_t lower, ELEMENT *c,
                             size_t ldc) {
  for (size_t row = 0; row < rows; row++, sums += WIDTH, c += ldc) {
    ptrdiff_t end = lower + (ptrdiff_t)row;
    size_t count = end < 0 ? 0 : (size_t)end < columns ? (size_t)end : columns;
    for (size_t column = 0; column < count; column++) c[column] = __builtin_elementwise_fma(alpha, sums[column], c[column]);
  }
}

// c[m][n] += alpha op(a) b, or its lower triangle.
TARGET static void NAME(product)(int transposes, int is_lower, size_t m, size_t n, size_t k, ELEMENT alpha, const ELEMENT *a,
                                 size_t lda, const ELEMENT *b, size_t ldb, ELEMENT *c, size_t ldc) {
  enum { STRIP = ROWS * 16, PANEL = WIDTH * 16 };
  size_t panel = n < PANEL ? (n + WIDTH - 1) / WIDTH * WIDTH : PANEL;
  size_t strip = m < STRIP ? (m + ROWS - 1) / ROWS * ROWS : STRIP;
  size_t depth = k < QUERN_SUM_BLOCK ? k : QUERN_SUM_BLOCK;
  ELEMENT *right = malloc((panel + strip) * depth * sizeof(ELEMENT));
  if (!right) abort();
  ELEMENT *left = right + panel * depth;
  for (size_t first = 0; first < n; first += panel) {
    size_t columns = n - first < panel ? n - first : panel;
    for (size_t start = 0; start < k; start += QUERN_SUM_BLOCK) {
      size_t count = k - start < QUERN_SUM_BLOCK ? k - start : QUERN_SUM_BLOCK;
      for (size_t column = 0; column < columns; column += WIDTH) {
        size_t width = columns - column < WIDTH ? columns - column : WIDTH;
        ELEMENT *to = right + column * count;
        for (size_t index = 0; index < count; index++, to += WIDTH) {
          memcpy(to, b + (start + index) * ldb + first + column, width * sizeof(ELEMENT));
          if (width < WIDTH) memset(to + width, 0, (WIDTH - width) * sizeof(ELEMENT));
        }
      }
      for (size_t top = 0; top < m; top += strip) {
        size_t height = m - top < strip ? m - top : strip;
        if (is_lower && top + height <= first) continue;
        for (size_t row = 0; row < height; row += ROWS) {
          size_t rows = height - row < ROWS ? height - row : ROWS;
          ELEMENT *to = left + row * count;
          for (size_t index = 0; index < count; index++, to += ROWS) {
            for (size_t i = 0; i < rows; i++)
              to[i] = transposes ? a[(start + index) * lda + top + row + i] : a[(top + row + i) * lda + start + index];
            for (size_t i = rows; i < ROWS; i++) to[i] = 0;
          }
        }
        for (size_t column = 0; column < columns; column += WIDTH) {
          size_t width = columns - column < WIDTH ? columns - column : WIDTH;
          for (size_t row = 0; row < height; row += ROWS) {
            size_t rows = height - row < ROWS ? height - row : ROWS;
            ptrdiff_t lower = is_lower ? (ptrdiff_t)(top + row + 1) - (ptrdiff_t)(first + column) : (ptrdiff_t)WIDTH;
            if (lower + (ptrdiff_t)rows <= 1) continue;
            ELEMENT sums[ROWS * WIDTH];
            NAME(tile)(count, left + row * count, right + column * count, sums);
            NAME(add)(alpha, sums, rows, width, lower, c + (top + row) * ldc + first + column, ldc);
          }
        }
      }
    }
  }
  free(right);
}

#undef WIDTH
#undef ELEMENT
#undef NAME
#undef TARGET
#undef LANES
#undef ROWS
#undef VECTORS
