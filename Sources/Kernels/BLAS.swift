import COpenBLAS

/// Float matrix products on OpenBLAS, loaded at first use.
public enum BLAS {
  /// OpenBLAS is not there, or not usable.
  public struct LoadError: Error, CustomStringConvertible, Sendable {
    public let description: String
  }

  /// Loads the library; call before the first product.
  public static func load() throws(LoadError) {
    if let problem = quern_openblas_load() { throw LoadError(description: String(cString: problem)) }
  }

  /// The OpenBLAS kernels in use, such as "SkylakeX"; `nil` while nothing has loaded the library.
  public static var coreName: String? { quern_openblas_core().map { String(cString: $0) } }

  /// `c[m][n] = a[m][k] * b[n][k]`, row-major, on the calling thread; strides in elements.
  package static func multiplyTransposed(
    m: Int, n: Int, k: Int, a: UnsafePointer<Float>, lda: Int, b: UnsafePointer<Float>, ldb: Int,
    c: UnsafeMutablePointer<Float>, ldc: Int
  ) {
    quern_openblas_sgemm_nt(m, n, k, a, lda, b, ldb, c, ldc)
  }
}
