import COpenBLAS

/// Linear algebra from OpenBLAS and its LAPACK, which are loaded at first use. It runs on the calling thread; matrices
/// are row-major.
package enum BLAS {
  /// Loads the library; must be called before anything else.
  ///
  /// - Throws: `LinearAlgebraError.unavailable` if the library is missing or not usable.
  package static func load() throws(LinearAlgebraError) {
    if let problem = quern_openblas_load() { throw .unavailable(String(cString: problem)) }
  }

  /// Adds the lower triangle of `weight * values^T * values` to that of `moments`: values [rows][columns], moments
  /// [columns][columns].
  package static func addMoments(
    of values: UnsafePointer<Float>, rows: Int, columns: Int, weight: Float, to moments: inout [Float]
  ) {
    moments.withUnsafeMutableBufferPointer { result in
      quern_openblas_ssyrk_t(columns, rows, weight, values, columns, result.baseAddress, columns)
    }
  }

  /// Replaces the lower triangle of a symmetric matrix [count][count] by its Cholesky factor.
  ///
  /// - Returns: whether the matrix is positive definite.
  package static func choleskyLower(_ matrix: inout [Float], count: Int) -> Bool {
    matrix.withUnsafeMutableBufferPointer { quern_openblas_spotrf(count, $0.baseAddress, count) == 0 }
  }

  /// `c = alpha * op(a) * b + beta * c`: c [m][n], b [k][n], and a [m][k], or [k][m] if it is transposed.
  package static func multiply(
    transposing: Bool = false, m: Int, n: Int, k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, lda: Int,
    _ b: UnsafePointer<Float>, ldb: Int, beta: Float, _ c: UnsafeMutablePointer<Float>, ldc: Int
  ) {
    quern_openblas_sgemm(transposing ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
  }

  /// `b = (l * l^T)^-1 * b`: l [n][n] lower triangular, b [n][m].
  package static func solve(_ l: UnsafePointer<Float>, n: Int, m: Int, _ b: UnsafeMutablePointer<Float>) {
    quern_openblas_strsm_l(0, n, m, l, n, b, m)
    quern_openblas_strsm_l(1, n, m, l, n, b, m)
  }
}

/// The same in double precision.
extension BLAS {
  /// Adds the lower triangle of `values^T * values` to that of `moments`: values [rows][columns], moments
  /// [columns][columns].
  package static func addMoments(
    of values: UnsafePointer<Double>, rows: Int, columns: Int, to moments: inout [Double]
  ) {
    precondition(moments.count == columns * columns, "the moments have another size")
    moments.withUnsafeMutableBufferPointer { result in
      quern_openblas_dsyrk_t(columns, rows, 1, values, columns, result.baseAddress, columns)
    }
  }

  /// `a * b`: a [m][k], b [k][n].
  ///
  /// - Returns: [m][n].
  package static func product(_ a: [Double], _ b: [Double], m: Int, n: Int, k: Int) -> [Double] {
    precondition(a.count == m * k && b.count == k * n, "the factors have other sizes")
    var result = [Double](repeating: 0, count: m * n)
    guard m > 0, n > 0, k > 0 else { return result }
    result.withUnsafeMutableBufferPointer { c in
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          quern_openblas_dgemm(m, n, k, 1, a.baseAddress, k, b.baseAddress, n, 0, c.baseAddress, n)
        }
      }
    }
    return result
  }

  /// The eigenvalues of a symmetric matrix and its eigenvectors, which have a length of 1 and are orthogonal, by divide
  /// and conquer (LAPACK's `dsyevd`). The sign of an eigenvector is arbitrary.
  ///
  /// - Parameters:
  ///   - matrix: [count][count]. Only the lower triangle is read. It is replaced by the eigenvectors, one in each row,
  ///     in the order of the eigenvalues.
  ///   - count: at least 1.
  /// - Returns: the eigenvalues in ascending order.
  /// - Throws: `LinearAlgebraError.noConvergence` where the algorithm finds no result, as for values that are not
  ///   finite.
  package static func eigenvectors(_ matrix: inout [Double], count: Int) throws(LinearAlgebraError) -> [Double] {
    precondition(count > 0 && matrix.count == count * count, "the matrix has another size")
    var values = [Double](repeating: 0, count: count)
    let status = matrix.withUnsafeMutableBufferPointer { matrix in
      values.withUnsafeMutableBufferPointer { values in
        quern_openblas_dsyevd(count, matrix.baseAddress, count, values.baseAddress)
      }
    }
    guard status == 0 else { throw .noConvergence(order: count) }
    return values
  }
}
