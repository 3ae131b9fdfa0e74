import LinearAlgebra
import Testing
import Whitening

/// A generator whose numbers are the same everywhere (xorshift64*).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

/// Correlated rows [count][dimension] around a mean that is larger than their deviations.
func correlatedRows(_ count: Int, _ dimension: Int, seed: UInt64) -> [Float] {
  var generator = SeededGenerator(seed)
  let mixing = (0..<dimension * dimension).map { _ in Double.random(in: -1...1, using: &generator) }
  return (0..<count).flatMap { _ in
    let source = (0..<dimension).map { Double.random(in: -1...1, using: &generator) / Double(1 + $0) }
    return (0..<dimension).map { row in
      Float(20 + (0..<dimension).reduce(0) { $0 + mixing[row * dimension + $1] * source[$1] })
    }
  }
}

@Suite struct WhiteningTests {
  @Test(arguments: [(50, 7, 13), (9, 7, 4), (200, 3, 200)])
  func momentsAreThoseOfTheDefinition(count: Int, dimension: Int, batch: Int) throws {
    let rows = correlatedRows(count, dimension, seed: 1)
    var moments = VectorMoments(dimension: dimension)
    for start in stride(from: 0, to: count, by: batch) {
      moments.add(Array(rows[start * dimension..<min(start + batch, count) * dimension]))
    }
    let values = rows.map(Double.init)
    let mean = (0..<dimension).map { column in
      (0..<count).reduce(0) { $0 + values[$1 * dimension + column] } / Double(count)
    }
    #expect(zip(mean, moments.mean).allSatisfy { abs($0 - $1) < 1e-12 })
    let covariance = moments.covariance
    for row in 0..<dimension {
      for column in 0...row {
        let expected =
          (0..<count).reduce(0) {
            $0 + (values[$1 * dimension + row] - mean[row]) * (values[$1 * dimension + column] - mean[column])
          } / Double(count - 1)
        #expect(abs(covariance[row * dimension + column] - expected) < 1e-12)
      }
    }
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func whitenedVectorsAreUncorrelatedWithVarianceOne(seed: UInt64) throws {
    let (count, dimension) = (300, 12)
    let rows = correlatedRows(count, dimension, seed: seed)
    var moments = VectorMoments(dimension: dimension)
    moments.add(rows)
    let whitening = try Whitening(moments)
    #expect(whitening.raisedCount == 0)
    #expect(zip(whitening.variances, whitening.variances.dropFirst()).allSatisfy { $0 >= $1 })
    let projection = whitening.projection(columns: dimension)
    let centred = rows.enumerated().map { Double($1) - whitening.mean[$0 % dimension] }
    let whitened = MatrixMath.product(centred, projection, m: count, n: dimension, k: dimension)
    for a in 0..<dimension {
      for b in 0..<dimension {
        let product = (0..<count).reduce(0) { $0 + whitened[$1 * dimension + a] * whitened[$1 * dimension + b] }
        #expect(abs(product / Double(count - 1) - (a == b ? 1 : 0)) < 1e-8)
      }
    }
  }

  @Test func signsAreThoseOfTheLargestElements() throws {
    let dimension = 9
    var moments = VectorMoments(dimension: dimension)
    moments.add(correlatedRows(40, dimension, seed: 5))
    let directions = try Whitening(moments).directions
    for start in stride(from: 0, to: directions.count, by: dimension) {
      let row = directions[start..<start + dimension]
      #expect((row.max() ?? 0) >= -(row.min() ?? 0))
    }
  }

  @Test func fewVectorsAreShrunkToTheMeanVariance() throws {
    let (count, dimension) = (6, 20)
    var moments = VectorMoments(dimension: dimension)
    moments.add(correlatedRows(count, dimension, seed: 9))
    let whitening = try Whitening(moments)
    let mean = whitening.variances.reduce(0, +) / Double(count - 1)
    #expect(abs(whitening.floor / mean - 1) < 1e-12)
    #expect(whitening.raisedCount >= dimension - count + 1)
    #expect(whitening.deviations.allSatisfy { $0 >= whitening.floor.squareRoot() })
    #expect(try Whitening(moments, relativeFloor: 1e-10).raisedCount == dimension - count + 1)
  }

  @Test func equalVectorsAreRefused() throws {
    var moments = VectorMoments(dimension: 3)
    moments.add([1, 2, 3, 1, 2, 3])
    #expect(throws: WhiteningError.self) { try Whitening(moments) }
  }

  @Test func foldedLayersComputeTheSame() throws {
    let (dimension, outputs) = (8, 3)
    var moments = VectorMoments(dimension: dimension)
    moments.add(correlatedRows(5, dimension, seed: 2))
    let whitening = try Whitening(moments)
    let weight = correlatedRows(outputs, dimension, seed: 3).map(Double.init)
    let folded = whitening.folded(weight: weight, constant: [1, 2, 3])
    let vector = correlatedRows(1, dimension, seed: 4).map(Double.init)
    let centred = zip(vector, whitening.mean).map { $0 - $1 }
    let whitened = MatrixMath.product(
      centred, whitening.projection(columns: dimension), m: 1, n: dimension, k: dimension)
    let actual = MatrixMath.product(folded.weight, whitened, m: outputs, n: 1, k: dimension)
    let expected = MatrixMath.product(weight, vector, m: outputs, n: 1, k: dimension)
    for index in 0..<outputs {
      #expect(abs(actual[index] + folded.bias[index] - expected[index] - Double(index + 1)) < 1e-9)
    }
  }
}
