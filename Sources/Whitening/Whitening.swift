import LinearAlgebra

/// PCA whitening: a vector v becomes `P^T (v - m)`, whose elements have a variance of 1 and are uncorrelated over the
/// vectors that it was learned from (MultiGrain, arXiv 1902.05509, section 3.4; scikit-learn's `PCA(whiten=True)`).
/// Column j of P is the direction of the j-th largest variance, divided by the square root of the variance.
package struct Whitening: Sendable {
  /// The number of elements of a vector.
  package let dimension: Int
  /// The number of vectors that it was learned from.
  package let count: Int
  /// m, [dimension].
  package let mean: [Double]
  /// The variances of the directions in descending order, before any is raised.
  package let variances: [Double]
  /// The directions in the order of the variances, each with a length of 1, [direction][element]. The sign of each is
  /// such that its element of the largest magnitude, the first of several, is positive, as scikit-learn has it since
  /// version 1.5.
  package let directions: [Double]
  /// The variance that smaller ones are raised to.
  package let floor: Double

  /// The default floor as a share of the largest variance where there are more vectors than elements: that of the
  /// rounding errors of vectors in float32.
  package static let roundingFloor = 1e-10

  /// Learns a whitening.
  ///
  /// Fewer vectors than elements have a variance of 0 in some directions, and too small ones in many. Dividing by them
  /// would make embeddings of other images little more than noise. They are raised to a floor, which shrinks the
  /// embedding in these directions.
  ///
  /// - Parameters:
  ///   - moments: of at least two vectors.
  ///   - relativeFloor: the smallest variance as a share of the largest, above 0; `nil`: with more vectors than
  ///     elements `roundingFloor`, otherwise the mean variance over the `count - 1` directions that the vectors span.
  /// - Throws: `LinearAlgebraError`; `WhiteningError.unusable` where all vectors are equal.
  package init(_ moments: VectorMoments, relativeFloor: Double? = nil) throws {
    let dimension = moments.dimension
    var vectors = moments.covariance
    // Eigenvalues that should be 0 may come out negative.
    let ascending = try MatrixMath.eigenvectors(&vectors, count: dimension).map { max($0, 0) }
    let total = ascending.reduce(0, +)
    guard let largest = ascending.last, largest > 0, total.isFinite else {
      throw WhiteningError.unusable("the \(moments.count) images have equal embeddings, which cannot be whitened")
    }
    self.dimension = dimension
    count = moments.count
    mean = moments.mean
    variances = ascending.reversed()
    directions = Self.ordered(vectors, dimension)
    let few = moments.count <= dimension
    floor =
      relativeFloor.map { $0 * largest } ?? (few ? total / Double(moments.count - 1) : Self.roundingFloor * largest)
  }

  /// The rows in reversed order, with the signs of `directions`.
  private static func ordered(_ vectors: [Double], _ dimension: Int) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(vectors.count)
    for start in stride(from: vectors.count - dimension, through: 0, by: -dimension) {
      let row = vectors[start..<start + dimension]
      let extreme = row.reduce(0.0) { abs($1) > abs($0) ? $1 : $0 }
      result += extreme < 0 ? row.map { -$0 } : Array(row)
    }
    return result
  }

  /// The standard deviations that directions are divided by, in their order.
  package var deviations: [Double] { variances.map { max($0, floor).squareRoot() } }

  /// The number of directions whose variance is raised to the floor.
  package var raisedCount: Int { variances.count { $0 < floor } }

  /// The share of the total variance that is in the first directions.
  package func varianceShare(of first: Int) -> Double {
    variances.prefix(first).reduce(0, +) / variances.reduce(0, +)
  }

  /// The first columns of P, [dimension][columns].
  package func projection(columns: Int) -> [Double] {
    precondition((1...dimension).contains(columns), "there are \(dimension) directions")
    let deviations = deviations
    return transposed(columns: columns) { $0 / deviations[$1] }
  }

  /// The inverse of P^T, [dimension][dimension].
  private var inverse: [Double] {
    let deviations = deviations
    return transposed(columns: dimension) { $0 * deviations[$1] }
  }

  private func transposed(columns: Int, _ scaled: (Double, Int) -> Double) -> [Double] {
    var result = [Double](repeating: 0, count: dimension * columns)
    for direction in 0..<columns {
      for element in 0..<dimension {
        result[element * columns + direction] = scaled(directions[direction * dimension + element], direction)
      }
    }
    return result
  }

  /// The linear layer that computes `W v + c` from the whitened v: weight `W P^-T`, bias `c + W m`.
  ///
  /// - Parameters:
  ///   - weight: W, [outputs][dimension].
  ///   - constant: c, [outputs].
  package func folded(weight: [Double], constant: [Double]) -> (weight: [Double], bias: [Double]) {
    let outputs = constant.count
    let bias = zip(constant, MatrixMath.product(weight, mean, m: outputs, n: 1, k: dimension)).map { $0 + $1 }
    return (MatrixMath.product(weight, inverse, m: outputs, n: dimension, k: dimension), bias)
  }
}

/// Why a network or images cannot be used for whitening.
package enum WhiteningError: Error, CustomStringConvertible, Sendable {
  /// The network's head has another form, or its vectors cannot be whitened; the text says why.
  case unusable(String)

  package var description: String {
    switch self {
    case .unusable(let problem): problem
    }
  }
}
