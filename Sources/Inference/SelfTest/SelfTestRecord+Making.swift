import Graphs
import Kernels
import Operators
import PackageFormat
import Pixels
import Runtime
import Tensors

extension SelfTestRecord {
  /// This implementation. Its number changes whenever sums of floats, or exp, give other bits.
  package static let ownImplementation = "quern-1"

  /// The number of bytes that checks may take. Small networks have a check for each value.
  private static let byteLimit = 4000
  private static let hashByteCount = 13
  private static let sketchByteCount = 25
  /// The number of values, besides outputs, that are sketched.
  private static let sketchLimit = 16
  /// The tolerance for values that differ only by the last bits of powers and roots: 32 of these.
  static let powerTolerance: Float = 0x1p-18
  /// The tolerance for values that differ between implementations by the rounding of sums, layer after layer.
  private static let sumTolerance: Float = 0x1p-14
  /// The tolerance for values that depend on levels which another rounding may have changed, by noise of the size of
  /// that of quantisation.
  private static let roundedTolerance = SelfTestSketch.toleranceLimit

  /// The results of a network on synthetic images, as this machine computes them.
  ///
  /// - Parameters:
  ///   - network: the network of a package, ready to run.
  ///   - side: the image size that the package is used at by default.
  /// - Throws: `GraphError.inputSize` where the memory does not suffice.
  package init(of network: Executable, standardSide side: Int) throws(GraphError) {
    let (height, width) = network.graph.selfTestSize(standardSide: side)
    self.init(
      implementation: Self.ownImplementation, seed: 0, imageCount: Self.standardImageCount, height: height,
      width: width, checks: [])
    let graph = network.graph
    let byValue = graph.reproducibility
    let reproducibility = [byValue[graph.input.index]] + graph.nodes.map { byValue[$0.output.index] }
    let (hashed, sketched) = Self.chosen(reproducibility, graph.outputNumbers)
    let digests = try digests(network, hashed: hashed.union(sketched), sketched: sketched)
    for (value, digest) in digests.sorted(by: { $0.key < $1.key }) {
      let reproducibility = reproducibility[value]
      if hashed.contains(value) {
        checks.append(
          Check(
            value: value,
            expectation: reproducibility.bits == .specified
              ? .specified(digest.hash) : .implementation(digest.hash)))
      }
      guard sketched.contains(value) else { continue }
      let sketch = SelfTestSketch(
        tolerance: Self.tolerance(reproducibility), norm: Float(digest.norm),
        projections: digest.projections.map { Float($0) })
      // Where a network overflows for noise, there is nothing to compare.
      guard ([sketch.norm] + sketch.projections).allSatisfy(\.isFinite) else { continue }
      checks.append(Check(value: value, expectation: .sketch(sketch)))
    }
  }

  private static func tolerance(_ reproducibility: ValueReproducibility) -> Float {
    if reproducibility.isRounded { return roundedTolerance }
    return reproducibility.dependsOnImplementation ? sumTolerance : powerTolerance
  }

  /// The values whose bits are compared, and those that are compared with a tolerance: outputs, and others at equal
  /// distances.
  private static func chosen(
    _ reproducibility: [ValueReproducibility], _ outputs: Set<Int>
  ) -> (hashed: Set<Int>, sketched: Set<Int>) {
    let inner = reproducibility.indices.dropFirst().filter { !outputs.contains($0) }
    let sketched = outputs.filter { reproducibility[$0].bits > .specified }
      .union(spread(inner.filter { reproducibility[$0].bits > .specified }, limit: sketchLimit))
    let ownOutputs = outputs.filter { reproducibility[$0].bits < .library }
    let free = byteLimit - sketchByteCount * sketched.count - hashByteCount * ownOutputs.count
    let hashed = spread(
      inner.filter { reproducibility[$0].bits < .library }, limit: max(0, free / hashByteCount))
    return (ownOutputs.union(hashed), sketched)
  }

  /// At most `limit` elements at equal distances, the last among them.
  private static func spread(_ values: [Int], limit: Int) -> [Int] {
    guard values.count > limit else { return values }
    return (0..<limit).map { values[($0 + 1) * values.count / limit - 1] }
  }
}

extension Graph {
  /// The size of the smallest images with which a network is tested: every map that has several rows and columns at the
  /// default size still has at least two of each. The width is larger than the height where the network takes such
  /// images, so that a mix-up of the two is noticed.
  ///
  /// - Parameter side: the default image size, which the network takes.
  package func selfTestSize(standardSide side: Int) -> (height: Int, width: Int) {
    guard let full = try? inferShapes(input: [1, side, side, 3]) else { return (side, side) }
    let maps = full.indices.filter { full[$0].map { $0.rank == 4 && min($0.height, $0.width) > 1 } ?? false }
    func fits(_ height: Int, _ width: Int) -> Bool {
      guard let shapes = try? inferShapes(input: [1, height, width, 3]) else { return false }
      return maps.allSatisfy { index in shapes[index].map { min($0.height, $0.width) > 1 } ?? false }
    }
    guard let height = (1..<max(side, 2)).first(where: { fits($0, $0) }) else { return (side, side) }
    let width = height + SelfTestRecord.widthExcess
    return fits(height, width) ? (height, width) : (height, height)
  }
}
