import CLinearAlgebra

/// Products and factorisations of row-major matrices. They run on the calling thread, and results are the same bits on
/// every processor (see CLinearAlgebra.h): what is rounded by them may not depend on the machine, or on which version
/// of a library it has.
package enum MatrixMath {
  /// Adds the lower triangle of `weight * values^T * values` to that of `moments`: values [rows][columns], moments
  /// [columns][columns].
  package static func addMoments(
    of values: UnsafePointer<Float>, rows: Int, columns: Int, weight: Float, to moments: inout [Float]
  ) {
    precondition(moments.count == columns * columns, "the moments have another size")
    moments.withUnsafeMutableBufferPointer { result in
      quern_ssyrk(columns, rows, weight, values, columns, result.baseAddress, columns)
    }
  }

  /// Replaces the lower triangle of a symmetric matrix [count][count] by its Cholesky factor.
  ///
  /// - Returns: whether the matrix is positive definite.
  package static func choleskyLower(_ matrix: inout [Float], count: Int) -> Bool {
    precondition(matrix.count == count * count, "the matrix has another size")
    return matrix.withUnsafeMutableBufferPointer { quern_cholesky(count, $0.baseAddress, count) == 0 }
  }

  /// `c = alpha * op(a) * b`, added to c where `adds`: c [m][n], b [k][n], and a [m][k], or [k][m] if it is transposed.
  package static func multiply(
    transposing: Bool = false, m: Int, n: Int, k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, lda: Int,
    _ b: UnsafePointer<Float>, ldb: Int, adding adds: Bool = false, _ c: UnsafeMutablePointer<Float>, ldc: Int
  ) {
    quern_sgemm(transposing ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, adds ? 1 : 0, c, ldc)
  }

  /// `b = (l * l^T)^-1 * b`: l [n][n] lower triangular, b [n][m].
  package static func solve(_ l: UnsafePointer<Float>, n: Int, m: Int, _ b: UnsafeMutablePointer<Float>) {
    quern_triangular_solve(0, n, m, l, n, b, m)
    quern_triangular_solve(1, n, m, l, n, b, m)
  }
}

/// The same in double precision.
extension MatrixMath {
  /// Adds the lower triangle of `values^T * values` to that of `moments`: values [rows][columns], moments
  /// [columns][columns].
  package static func addMoments(
    of values: UnsafePointer<Double>, rows: Int, columns: Int, to moments: inout [Double]
  ) {
    precondition(moments.count == columns * columns, "the moments have another size")
    moments.withUnsafeMutableBufferPointer { result in
      quern_dsyrk(columns, rows, 1, values, columns, result.baseAddress, columns)
    }
  }

  /// `a * b`: a [m][k], b [k][n].
  ///
  /// - Returns: [m][n].
  package static func product(_ a: [Double], _ b: [Double], m: Int, n: Int, k: Int) -> [Double] {
    precondition(a.count == m * k && b.count == k * n, "the factors have other sizes")
    var result = [Double](repeating: 0, count: m * n)
    result.withUnsafeMutableBufferPointer { c in
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          quern_dgemm(0, m, n, k, 1, a.baseAddress, k, b.baseAddress, n, 1, c.baseAddress, n)
        }
      }
    }
    return result
  }

  /// The eigenvalues of a symmetric matrix and its eigenvectors, which have a length of 1 and are orthogonal, by
  /// Householder reduction and the implicit QL algorithm. The sign of an eigenvector is arbitrary.
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
        quern_eigenvectors(count, matrix.baseAddress, values.baseAddress)
      }
    }
    guard status == 0 else { throw .noConvergence(order: count) }
    return values
  }
}
