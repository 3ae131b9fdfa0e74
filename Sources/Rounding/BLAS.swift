import COpenBLAS

/// The linear algebra that rounding needs, from OpenBLAS, which is loaded at first use. It runs on the calling thread;
/// matrices are row-major.
package enum BLAS {
  /// Loads the library; must be called before anything else.
  ///
  /// - Throws: `RoundingError.noLinearAlgebra` if the library is missing or not usable.
  package static func load() throws(RoundingError) {
    if let problem = quern_openblas_load() { throw .noLinearAlgebra(String(cString: problem)) }
  }

  /// Adds the lower triangle of `weight * values^T * values` to that of `moments`: values [rows][columns], moments
  /// [columns][columns].
  static func addMoments(
    of values: UnsafePointer<Float>, rows: Int, columns: Int, weight: Float, to moments: inout [Float]
  ) {
    moments.withUnsafeMutableBufferPointer { result in
      quern_openblas_ssyrk_t(columns, rows, weight, values, columns, result.baseAddress, columns)
    }
  }

  /// Replaces the lower triangle of a symmetric matrix [count][count] by its Cholesky factor.
  ///
  /// - Returns: whether the matrix is positive definite.
  static func choleskyLower(_ matrix: inout [Float], count: Int) -> Bool {
    matrix.withUnsafeMutableBufferPointer { quern_openblas_spotrf(count, $0.baseAddress, count) == 0 }
  }

  /// `c = alpha * op(a) * b + beta * c`: c [m][n], b [k][n], and a [m][k], or [k][m] if it is transposed.
  static func multiply(
    transposing: Bool = false, m: Int, n: Int, k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, lda: Int,
    _ b: UnsafePointer<Float>, ldb: Int, beta: Float, _ c: UnsafeMutablePointer<Float>, ldc: Int
  ) {
    quern_openblas_sgemm(transposing ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
  }

  /// `b = (l * l^T)^-1 * b`: l [n][n] lower triangular, b [n][m].
  static func solve(_ l: UnsafePointer<Float>, n: Int, m: Int, _ b: UnsafeMutablePointer<Float>) {
    quern_openblas_strsm_l(0, n, m, l, n, b, m)
    quern_openblas_strsm_l(1, n, m, l, n, b, m)
  }
}
