/// What a package's network computes for a few synthetic images, so that a device can check that it computes the same
/// (formats/package.md, "Self-test section").
package struct SelfTestRecord: Hashable, Sendable {
  /// What is known of one value of the graph.
  package struct Check: Hashable, Sendable {
    /// The number of the value, as the graph section counts: n + 1 for the output of node n.
    package var value: Int
    /// What is known.
    package var expectation: Expectation

    package init(value: Int, expectation: Expectation) {
      self.value = value
      self.expectation = expectation
    }
  }

  /// What is known of a value for all images.
  package enum Expectation: Hashable, Sendable {
    /// The hash of its bytes, which are the same in every implementation.
    case specified(UInt64)
    /// The hash of its bytes in the implementation that wrote the record.
    case implementation(UInt64)
    /// Its norm and some projections, which differ little between implementations.
    case sketch(SelfTestSketch)
  }

  /// The implementation that computed the values.
  package var implementation: String
  /// The seed of the images.
  package var seed: UInt64
  /// The number of images.
  package var imageCount: Int
  /// The height of the images in pixels.
  package var height: Int
  /// The width of the images in pixels.
  package var width: Int
  /// Ascending by value; where a value has several, in the order of the cases of `Expectation`.
  package var checks: [Check]

  package init(
    implementation: String, seed: UInt64, imageCount: Int, height: Int, width: Int, checks: [Check]
  ) {
    self.implementation = implementation
    self.seed = seed
    self.imageCount = imageCount
    self.height = height
    self.width = width
    self.checks = checks
  }
}

extension SelfTestRecord {
  /// The number of images that a conversion tests with.
  package static let standardImageCount = 3
  /// How much wider than high the images of a conversion are, in pixels, where the network takes such images: no
  /// multiple of a stride.
  package static let widthExcess = 7
}

/// The norm of a value and its projections onto a few vectors of random signs, which are compared with a tolerance.
package struct SelfTestSketch: Hashable, Sendable {
  /// The number of projections.
  package static let projectionCount = 3
  /// The largest tolerance: with more, a network that computes something else could pass.
  package static let toleranceLimit: Float = 0x1p-3

  /// How far norm and projections may differ, as a share of the norm; positive, at most `toleranceLimit`.
  package var tolerance: Float
  /// The root of the sum of squares; finite, at least 0.
  package var norm: Float
  /// The sums of the elements with random signs; finite, `projectionCount` of them.
  package var projections: [Float]

  package init(tolerance: Float, norm: Float, projections: [Float]) {
    self.tolerance = tolerance
    self.norm = norm
    self.projections = projections
  }

  /// Whether another sketch of the same value is within a tolerance.
  ///
  /// - Parameter tolerance: used where it is below the stored one.
  package func accepts(norm otherNorm: Double, projections others: [Double], within tolerance: Float = .infinity)
    -> Bool
  {
    let limit = Double(min(tolerance, self.tolerance)) * Double(norm)
    return abs(otherNorm - Double(norm)) <= limit
      && zip(projections, others).allSatisfy { abs($1 - Double($0)) <= limit }
  }
}

/// The binary form of a self-test (formats/package.md, "Self-test section").
enum SelfTestSection {
  static let byteLimit = 1 << 16
  static let imageLimit = 16

  /// The longest side of the images for a package of a size: that of those which a conversion makes.
  static func sideLimit(side: Int) -> Int { min(side + SelfTestRecord.widthExcess, SizeRecord.sides.upperBound) }

  /// The number of pixels of all images together for a package of a size, so that a test takes about as much memory as
  /// an image that is embedded, and about as much time as a few of them.
  static func pixelLimit(side: Int) -> Int {
    SelfTestRecord.standardImageCount * side * (side + SelfTestRecord.widthExcess)
  }

  static func encode(_ record: SelfTestRecord) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(record.implementation)
    writer.append(record.seed)
    writer.append(count: record.imageCount)
    writer.append(count: record.height)
    writer.append(count: record.width)
    writer.append(count: record.checks.count)
    for check in record.checks {
      writer.append(count: check.value)
      writer.append(check.expectation.code)
      switch check.expectation {
      case .specified(let hash), .implementation(let hash): writer.append(hash)
      case .sketch(let sketch):
        writer.append(sketch.tolerance)
        writer.append(sketch.norm)
        for projection in sketch.projections { writer.append(projection) }
      }
    }
    return writer.bytes
  }

  /// - Parameters:
  ///   - contents: the uncompressed contents of the section.
  ///   - valueCount: the number of values of the graph, the input included.
  ///   - side: the image size that the package is used at by default, in pixels.
  static func parse(_ contents: [UInt8], valueCount: Int, side: Int) throws(PackageError) -> SelfTestRecord {
    var fields = SectionCursor(contents, part: "self-test section")
    let sides = 1...sideLimit(side: side)
    let (implementation, seed) = (try fields.identifier("implementation"), try fields.read(UInt64.self, "seed"))
    let start = fields.offset
    var record = SelfTestRecord(
      implementation: implementation, seed: seed, imageCount: try number(&fields, "image count", 1...imageLimit),
      height: try number(&fields, "height", sides), width: try number(&fields, "width", sides), checks: [])
    guard record.imageCount * record.height * record.width <= pixelLimit(side: side) else {
      throw fields.invalid(
        "image count", at: start,
        "\(record.imageCount) images of \(record.width) x \(record.height) exceed the limit of "
          + "\(pixelLimit(side: side)) pixels for a package of \(side) px")
    }
    var last = (value: 0, code: UInt8.max)
    for _ in 0..<(try fields.count("check count", itemSize: 13)) {
      let start = fields.offset
      let value = try number(&fields, "value", 1...max(1, valueCount - 1))
      let code = try fields.read(UInt8.self, "kind")
      guard (value, code) > last else { throw fields.invalid("value", at: start, "\(value) is out of order") }
      last = (value, code)
      record.checks.append(.init(value: value, expectation: try parseExpectation(&fields, code, at: start + 4)))
    }
    try fields.expectEnd()
    guard !record.checks.isEmpty else { throw fields.invalid("check count", at: fields.offset, "is 0") }
    return record
  }

  private static func parseExpectation(
    _ fields: inout SectionCursor, _ code: UInt8, at start: Int
  ) throws(PackageError) -> SelfTestRecord.Expectation {
    switch code {
    case 1: return .specified(try fields.read(UInt64.self, "hash"))
    case 2: return .implementation(try fields.read(UInt64.self, "hash"))
    case 3:
      let tolerance = try fields.float("tolerance")
      let norm = try fields.float("norm")
      var projections: [Float] = []
      for _ in 0..<SelfTestSketch.projectionCount { projections.append(try fields.float("projection")) }
      guard norm >= 0, ([tolerance, norm] + projections).allSatisfy(\.isFinite) else {
        throw fields.invalid("sketch", at: start, "is not finite, or is negative")
      }
      guard tolerance > 0, tolerance <= SelfTestSketch.toleranceLimit else {
        throw fields.invalid(
          "sketch", at: start,
          "has the tolerance \(tolerance), which is not above 0 and at most \(SelfTestSketch.toleranceLimit)")
      }
      return .sketch(SelfTestSketch(tolerance: tolerance, norm: norm, projections: projections))
    default: throw fields.invalid("kind", at: start, "\(code) is unknown")
    }
  }

  private static func number(
    _ fields: inout SectionCursor, _ field: String, _ range: ClosedRange<Int>
  ) throws(PackageError) -> Int {
    let start = fields.offset
    let value = Int(try fields.read(UInt32.self, field))
    guard range.contains(value) else {
      throw fields.invalid(field, at: start, "\(value) is not from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}

extension SelfTestRecord.Expectation {
  /// The code in a package. Codes must never be renumbered.
  fileprivate var code: UInt8 {
    switch self {
    case .specified: 1
    case .implementation: 2
    case .sketch: 3
    }
  }
}
