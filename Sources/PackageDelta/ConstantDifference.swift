import PackageFormat
import Tensors
import Threads

/// How many elements of a constant differ between two packages that have it with the same type and shape.
package struct ConstantDifference: Encodable, Hashable, Sendable {
  /// The name of the node.
  package let node: String
  /// The role of the constant in the node, such as "weight".
  package let role: String
  /// The type of the elements, such as "int8".
  package let elementType: String
  /// The number of elements.
  package let elements: Int
  /// The number of elements that differ.
  package let differing: Int
  /// The largest difference of an element: in levels for integers, in real units for float32 and float64; `nil` for
  /// other types, and where the difference is not finite.
  package let maxChange: Double?
}

extension ConstantDifference {
  /// Compares the constants that both packages have, by node and role. Constants with equal elements are included, with
  /// no differing elements; those whose type or shape differs are left out.
  ///
  /// - Parameter threads: the number of threads that decompress and compare constants.
  /// - Returns: The constants in the order of the new graph.
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where a constant is damaged.
  package static func all(
    old: PackageReader, new: PackageReader, threads: Int = 1
  ) throws(PackageError) -> [ConstantDifference] {
    let oldNodes = Dictionary(old.graph.nodes.map { ($0.name, $0) }) { first, _ in first }
    var pairs: [(node: String, old: ConstantRecord, new: ConstantRecord)] = []
    for node in new.graph.nodes {
      for constant in node.constants {
        guard let before = oldNodes[node.name]?.constant(constant.role), before.elementType == constant.elementType,
          before.shape == constant.shape
        else { continue }
        pairs.append((node.name, before, constant))
      }
    }
    let results = ThreadTeam(count: threads).map(pairs.count) { index in
      Result { () throws(PackageError) in
        let pair = pairs[index]
        return try ConstantDifference(node: pair.node, pair.old, of: old, pair.new, of: new)
      }
    }
    var differences: [ConstantDifference] = []
    for result in results { differences.append(try result.get()) }
    return differences
  }

  private init(
    node: String, _ before: ConstantRecord, of old: PackageReader, _ after: ConstantRecord, of new: PackageReader
  ) throws(PackageError) {
    self.node = node
    role = after.role
    elementType = "\(after.elementType)"
    elements = after.shape.elementCount
    guard old.section(of: before).rawHash != new.section(of: after).rawHash else {
      (differing, maxChange) = (0, 0)
      return
    }
    let oldContents = try old.contents(ofSection: old.sectionNumber(of: before))
    let newContents = try new.contents(ofSection: new.sectionNumber(of: after))
    (differing, maxChange) = oldContents.withBytes { a in
      newContents.withBytes { b in Self.compare(a, b, after.elementType) }
    }
  }

  private static func compare(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, _ type: ElementType
  ) -> (Int, Double?) {
    switch type {
    case .int8: compare(a, b, as: Int8.self) { Double($0) }
    case .uint8, .bool: compare(a, b, as: UInt8.self) { Double($0) }
    case .int16: compare(a, b, as: Int16.self) { Double($0) }
    case .uint16: compare(a, b, as: UInt16.self) { Double($0) }
    case .int32: compare(a, b, as: Int32.self) { Double($0) }
    case .uint32: compare(a, b, as: UInt32.self) { Double($0) }
    case .int64: compare(a, b, as: Int64.self) { Double($0) }
    case .uint64: compare(a, b, as: UInt64.self) { Double($0) }
    case .float32: compare(a, b, as: UInt32.self) { Double(Float(bitPattern: $0)) }
    case .float64: compare(a, b, as: UInt64.self) { Double(bitPattern: $0) }
    case .float16, .bfloat16: compare(a, b, as: UInt16.self, value: nil)
    }
  }

  private static func compare<Bits: FixedWidthInteger & BitwiseCopyable>(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, as type: Bits.Type, value: ((Bits) -> Double)?
  ) -> (Int, Double?) {
    let size = MemoryLayout<Bits>.size
    var (differing, largest) = (0, 0.0)
    for offset in stride(from: 0, through: min(a.count, b.count) - size, by: size) {
      let (x, y) = (
        Bits(littleEndian: a.loadUnaligned(fromByteOffset: offset, as: Bits.self)),
        Bits(littleEndian: b.loadUnaligned(fromByteOffset: offset, as: Bits.self))
      )
      guard x != y else { continue }
      differing += 1
      if let value {
        // A NaN stays, so that it is not taken for a small difference.
        let change = abs(value(x) - value(y))
        largest = change > largest || change.isNaN ? change : largest
      }
    }
    return (differing, value != nil && largest.isFinite ? largest : nil)
  }
}
