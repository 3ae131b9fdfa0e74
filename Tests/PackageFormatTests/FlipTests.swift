import Files
import Glibc
import Graphs
import PackageFormat
import PackageSamples
import Pixels
import Tensors
import Testing

/// Flipped bits of a package of several megabytes, at random places: 4,000 of them, or as many as QUERN_FLIPS says.
@Suite struct FlipTests {
  @Test func everySampledFlipOfALargePackageIsNoticed() throws {
    let count = getenv("QUERN_FLIPS").flatMap { Int(String(cString: $0)) } ?? 4000
    let seed: UInt64 = 19
    var random = SplitMix64(state: seed)
    let original = try PackageWriter.encode(Self.large(&random))
    let sections = try PackageReader(original).sections
    try PackageReader(original).checkAll()
    // One copy of the package, in which one bit at a time is flipped.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: original.count, alignment: 64)
    defer { buffer.deallocate() }
    buffer.copyBytes(from: original)
    nonisolated(unsafe) let bytes = UnsafeRawBufferPointer(buffer)
    let storage = TensorStorage(borrowing: bytes, release: {})
    var unnoticed: [Int] = []
    for _ in 0..<count {
      let bit = Int.random(in: 0..<8 * original.count, using: &random)
      buffer[bit / 8] ^= 1 << (bit % 8)
      let section = sections.firstIndex { $0.range.contains(bit / 8) }
      if !Self.isNoticed(storage, section: section) { unnoticed.append(bit) }
      buffer[bit / 8] ^= 1 << (bit % 8)
    }
    print("large package, seed \(seed): \(count) flips in \(original.count) bytes, \(unnoticed.count) not noticed")
    #expect(unnoticed == [])
    #expect(buffer.elementsEqual(original))
  }

  /// Whether opening or checking a package fails. Of its sections, the one that was changed is checked first, which
  /// `checkAll` would check, too: this takes a hundredth of the time.
  private static func isNoticed(_ storage: TensorStorage, section: Int?) -> Bool {
    do {
      let reader = try PackageReader(storage: storage, path: "memory")
      if let section { _ = try reader.contents(ofSection: section) }
      try reader.checkAll()
      return false
    } catch { return true }
  }

  /// 96 layers with weights of 32 KiB, a third of which are compressed.
  private static func large(_ random: inout SplitMix64) throws -> Package {
    var graph = Graph(
      architecture: "toy", preprocessing: .imageNet,
      inputFormat: .uint8(QuantizationParameters(scale: 0.5, zeroPoint: 3)))
    var value = graph.input
    for index in 0..<96 {
      let mask: UInt8 = index % 3 == 0 ? 0x0F : 0xFF
      let weights = (0..<1 << 15).map { _ in UInt8(truncatingIfNeeded: random.next()) & mask }
      value = graph.append(
        ToyOperator(attributes: [:]), name: "conv\(index)", inputs: [value],
        constants: ["weight": try Tensor(bytes: weights, elementType: .int8, shape: [32, 1024])])
    }
    graph.outputs = [GraphOutput(name: GraphOutput.embedding, value: value)]
    return Package(
      graph: graph,
      info: PackageInfo(
        resolutions: [try ToyPackages.resolution(224, nil)], classCount: 0, embeddingDimension: 1024),
      labels: [], metadata: #"{"schema": "toy"}"#)
  }
}
