import Graphs
import Operators
import PackageFormat
import Pixels
import Random
import Runtime
import Tensors

/// What is computed of one value over all images of a self-test, in the order of the images.
struct ValueDigest {
  /// The XXH64 of the value's bytes for each image.
  private var hashes: [UInt64] = []
  private var sketch: SketchSums?

  /// - Parameter isSketched: whether norm and projections are needed, too.
  init(isSketched: Bool) { sketch = isSketched ? SketchSums() : nil }

  /// The XXH64 of the little-endian hashes of all images, one after another.
  var hash: UInt64 { hashes.map(\.littleEndian).withUnsafeBytes { XXH64.hash($0) } }

  /// The norm, from the sum of squares.
  var norm: Double { sketch?.squares.squareRoot() ?? 0 }
  /// The sums with random signs.
  var projections: [Double] { sketch.map { [$0.sums.x, $0.sums.y, $0.sums.z] } ?? [] }

  mutating func append(_ bytes: UnsafeRawBufferPointer, _ format: ValueFormat, seed: UInt64) {
    hashes.append(XXH64.hash(bytes))
    sketch?.append(bytes, format, seed: seed)
  }
}

/// Sums over the elements of a value, in the order of memory.
private struct SketchSums {
  var squares = 0.0
  var sums = SIMD3<Double>()
  private var count = 0
  private var signs = SIMD4<UInt32>()

  mutating func append(_ bytes: UnsafeRawBufferPointer, _ format: ValueFormat, seed: UInt64) {
    switch format {
    case .float32: for element in bytes.bindMemory(to: Float.self) { append(Double(element), seed) }
    case .uint8(let parameters):
      for level in bytes { append(Double(Int(level) - Int(parameters.zeroPoint)), seed) }
    case .uint8WithRemainder(let parameters):
      let half = bytes.count / 2
      for index in 0..<half {
        let level = 256 * (Int(bytes[index]) - Int(parameters.zeroPoint))
        append(Double(level + Int(bytes[half + index]) - Int(ActivationLayout.remainderZeroPoint)) / 256, seed)
      }
    }
  }

  /// One bit of each of the first three words of a block of Philox is the sign of one element in a sum.
  private mutating func append(_ element: Double, _ seed: UInt64) {
    let bit = UInt32(truncatingIfNeeded: count % 32)
    if bit == 0 {
      signs = Philox.words(
        counter: SIMD4(UInt32(truncatingIfNeeded: count / 32), .max, 0, 0),
        key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    }
    count += 1
    squares += element * element
    sums.x += signs.x >> bit & 1 == 0 ? element : -element
    sums.y += signs.y >> bit & 1 == 0 ? element : -element
    sums.z += signs.z >> bit & 1 == 0 ? element : -element
  }
}

extension SelfTestRecord {
  /// Runs a network on the images of the test, on one thread.
  ///
  /// - Parameters:
  ///   - network: the network, ready to run.
  ///   - hashed: the numbers of the values to hash.
  ///   - sketched: the numbers of the values to sketch as well; also in `hashed`.
  /// - Returns: the digests by the number of the value.
  /// - Throws: `GraphError.inputSize` where the memory does not suffice, or where the network cannot take the images.
  func digests(
    _ network: Executable, hashed: Set<Int>, sketched: Set<Int>
  ) throws(GraphError) -> [Int: ValueDigest] {
    let graph = network.graph
    let numbers = graph.valueNumbers
    let session = Session(network)
    var digests: [Int: ValueDigest] = [:]
    for image in 0..<imageCount {
      _ = try session.run(pixels: pixels(ofImage: image), height: height, width: width) { value, _, bytes in
        guard let number = numbers[value], hashed.contains(number) else { return }
        digests[number, default: ValueDigest(isSketched: sketched.contains(number))].append(
          bytes, graph.format(of: value), seed: seed)
      }
    }
    return digests
  }
}

extension Graph {
  /// The numbers that packages give to values: 0 is the input, n + 1 the output of node n.
  var valueNumbers: [ValueID: Int] {
    var result = [input: 0]
    for (index, node) in nodes.enumerated() { result[node.output] = index + 1 }
    return result
  }

  /// The numbers of the outputs that nodes compute.
  var outputNumbers: Set<Int> {
    let numbers = valueNumbers
    return Set(outputs.compactMap { numbers[$0.value] }).subtracting([0])
  }
}
