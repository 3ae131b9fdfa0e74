import CLinearAlgebra
import LinearAlgebra
import Testing

/// Compares products and factorisations with plain loops in double precision, and the implementations with one another,
/// bit for bit.
@Suite(.serialized) struct MatrixMathTests {
  /// The tiers of this processor, the one for any processor first.
  static let tiers = Array(0...Int(quern_linear_algebra_limit(2)))

  private static func values(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
  }

  /// The results of `body` with each tier, which must be the same bits.
  private static func agreeing(_ body: () -> [Float]) -> [Float] {
    defer { quern_linear_algebra_limit(2) }
    let results = tiers.map { tier in
      quern_linear_algebra_limit(Int32(tier))
      return body().map(\.bitPattern)
    }
    for (tier, result) in zip(tiers, results) { #expect(result == results[0], "tier \(tier)") }
    return results[0].map(Float.init(bitPattern:))
  }

  @Test(arguments: [(1, 1, 1), (3, 5, 2), (12, 32, 256), (13, 33, 257), (40, 100, 600), (97, 7, 31)], [false, true])
  func products(size: (m: Int, n: Int, k: Int), transposing: Bool) {
    let (m, n, k) = size
    let (a, b, c) = (Self.values(m * k, seed: 1), Self.values(k * n, seed: 2), Self.values(m * n, seed: 3))
    for adds in [false, true] {
      let result = Self.agreeing {
        var c = c
        MatrixMath.multiply(
          transposing: transposing, m: m, n: n, k: k, alpha: 0.5, a, lda: transposing ? m : k, b, ldb: n, adding: adds,
          &c, ldc: n)
        return c
      }
      for row in 0..<m {
        for column in 0..<n {
          let sum = (0..<k).reduce(0.0) {
            $0 + Double(a[transposing ? $1 * m + row : row * k + $1]) * Double(b[$1 * n + column])
          }
          let expected = (adds ? Double(c[row * n + column]) : 0) + 0.5 * sum
          #expect(abs(Double(result[row * n + column]) - expected) < 1e-6 * Double(k + 8), "\(row), \(column)")
        }
      }
    }
  }

  @Test func sumsHaveTheStatedOrder() {
    let k = 300
    let (a, b) = (Self.values(k, seed: 4), Self.values(k, seed: 5))
    let result = Self.agreeing {
      var c: [Float] = [1]
      MatrixMath.multiply(m: 1, n: 1, k: k, alpha: 3, a, lda: k, b, ldb: 1, adding: true, &c, ldc: 1)
      return c
    }
    var expected: Float = 1
    for block in stride(from: 0, to: k, by: Int(QUERN_SUM_BLOCK)) {
      var sum: Float = 0
      for index in block..<min(block + Int(QUERN_SUM_BLOCK), k) { sum.addProduct(a[index], b[index]) }
      expected.addProduct(3, sum)
    }
    #expect(result[0].bitPattern == expected.bitPattern)
  }

  @Test(arguments: [1, 5, 63, 64, 65, 130, 200])
  func factors(count: Int) throws {
    let rows = count + 20
    let values = Self.values(rows * count, seed: 6)
    var moments = [Float](repeating: 0, count: count * count)
    MatrixMath.addMoments(of: values, rows: rows, columns: count, weight: 1, to: &moments)
    for index in 0..<count {
      // Above the diagonal, nothing is written.
      for column in index + 1..<max(count, index + 1) { #expect(moments[index * count + column] == 0) }
      moments[index * count + index] += 0.1
    }
    let factor = Self.agreeing {
      var factor = moments
      #expect(MatrixMath.choleskyLower(&factor, count: count))
      return factor
    }
    let right = Self.values(count * 3, seed: 7)
    let solution = Self.agreeing {
      var solution = right
      MatrixMath.solve(factor, n: count, m: 3, &solution)
      return solution
    }
    for row in 0..<count {
      for column in 0...row {
        let product = (0...column).reduce(0.0) {
          $0 + Double(factor[row * count + $1]) * Double(factor[column * count + $1])
        }
        #expect(abs(product - Double(moments[row * count + column])) < 1e-4)
      }
      for column in 0..<3 {
        let product = (0..<count).reduce(0.0) {
          $0 + Double(moments[max(row, $1) * count + min(row, $1)]) * Double(solution[$1 * 3 + column])
        }
        #expect(abs(product - Double(right[row * 3 + column])) < 1e-3)
      }
    }
  }

  @Test(arguments: [[-1], [1, 0, 2, 1], [.nan, 0, 0, 1], [.infinity]] as [[Float]])
  func matricesThatAreNotPositiveDefinite(matrix: [Float]) {
    var factor = matrix
    #expect(!MatrixMath.choleskyLower(&factor, count: matrix.count == 1 ? 1 : 2))
  }

  @Test(arguments: [1, 2, 3, 17, 64, 150])
  func eigenvectors(count: Int) throws {
    var matrix = [Double](repeating: 0, count: count * count)
    let values = Self.values(count * count, seed: 8).map(Double.init)
    for row in 0..<count {
      for column in 0...row {
        matrix[row * count + column] = values[row * count + column]
        matrix[column * count + row] = values[row * count + column]
      }
    }
    var vectors = matrix
    let found = try MatrixMath.eigenvectors(&vectors, count: count)
    #expect(found == found.sorted())
    for index in 0..<count {
      for row in 0..<count {
        let (product, other) = (0..<count).reduce((0.0, 0.0)) {
          (
            $0.0 + matrix[row * count + $1] * vectors[index * count + $1],
            $0.1 + vectors[row * count + $1] * vectors[index * count + $1]
          )
        }
        #expect(abs(product - found[index] * vectors[index * count + row]) < 1e-11)
        #expect(abs(other - (row == index ? 1 : 0)) < 1e-11)
      }
    }
  }

  @Test func eigenvectorsOfDiagonalAndZeroMatrices() throws {
    var diagonal: [Double] = [3, 0, 0, 0, 1, 0, 0, 0, 2]
    #expect(try MatrixMath.eigenvectors(&diagonal, count: 3) == [1, 2, 3])
    var zero = [Double](repeating: 0, count: 25)
    #expect(try MatrixMath.eigenvectors(&zero, count: 5) == [0, 0, 0, 0, 0])
    var broken: [Double] = [1, 0, .nan, 1]
    #expect(throws: LinearAlgebraError.self) { try MatrixMath.eigenvectors(&broken, count: 2) }
  }
}
