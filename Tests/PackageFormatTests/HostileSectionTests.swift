import Files
import Graphs
import PackageFormat
import PackageSamples
import Tensors
import Testing

@Suite struct HostileSectionTests {
  /// Packages have one form: what is accepted at all is what the writer would have written.
  @Test(arguments: 0..<6 as Range<UInt64>)
  func changedSectionsAreRefusedOrCanonical(seed: UInt64) throws {
    var random = SplitMix64(state: seed)
    let original = try Forgery(seed % 2 == 0 ? ToyPackages.small() : ToyPackages.random(seed: seed))
    let sections = try PackageReader(original.bytes).sections.filter { $0.kind != .tensor && $0.rawLength > 0 }
    var accepted = 0
    for _ in 0..<3000 {
      var forgery = original
      let section = try #require(sections.randomElement(using: &random))
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let bit = UInt8(1) << UInt8.random(in: 0...7, using: &random)
        forgery.bytes[Int.random(in: section.range, using: &random)] ^= bit
      }
      forgery.signSections()
      forgery.signIndex()
      guard let package = try? PackageReader(forgery.bytes).readAll() else { continue }
      accepted += 1
      #expect(try PackageWriter.encode(package, compressing: false) == forgery.bytes)
    }
    #expect(accepted > 100)
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func graphsCutShortOrFilledWithNoiseNeverTrap(seed: UInt64) throws {
    var random = SplitMix64(state: seed)
    let sections = try PackageWriter.sections(of: ToyPackages.random(seed: seed), threads: 1, compressing: false)
    guard case .array(let graph) = sections[0].bytes else { return }
    for length in 0..<graph.count {
      var changed = sections
      var noise = Array(graph[..<length])
      while noise.count < graph.count, seed > 1 {
        noise.append([0, 1, 2, 0xFF, 0x20].randomElement(using: &random) ?? 0)
      }
      changed[0] = PendingSection(kind: .graph, isCritical: true, contents: .array(noise), compressing: false)
      let bytes = try PackageLayout(changed).bytes
      if seed <= 1 {
        #expect(throws: PackageError.self) { try PackageReader(bytes) }
      } else {
        _ = try? PackageReader(bytes)
      }
    }
  }

  /// Contents that no writer makes: an unknown filter, a ratio that cannot be, what holds without the section, other lengths.
  @Test(arguments: [
    ResizingContents(0, 0.95), ResizingContents(4, 0.95), ResizingContents(2, 0), ResizingContents(2, .nan),
    ResizingContents(1, 1.5), ResizingContents(1, 0.875), ResizingContents(2, 0.9, extra: [0]),
    ResizingContents(bytes: [2]),
  ])
  func badResizingSectionsAreRefused(contents: ResizingContents) throws {
    var package = try ToyPackages.small()
    package.info.resolutions = [try ToyPackages.resolution(224, 3, filter: .bicubic, cropRatio: 0.95)]
    var sections = try PackageWriter.sections(of: package, threads: 1, compressing: false)
    let index = try #require(sections.firstIndex { $0.kind == .resizing })
    _ = try PackageReader(PackageLayout(sections).bytes)
    sections[index] = PendingSection(
      kind: .resizing, isCritical: true, contents: .array(contents.bytes), compressing: false)
    let bytes = try PackageLayout(sections).bytes
    #expect(throws: PackageError.self) { try PackageReader(bytes) }
  }

  struct ResizingContents: Sendable {
    let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    init(_ filter: UInt8, _ ratio: Double, extra: [UInt8] = []) {
      bytes = [filter] + withUnsafeBytes(of: ratio.bitPattern.littleEndian) { Array($0) } + extra
    }
  }

  /// Each change of the second tensor's frame, and a word of the refusal.
  static let frames: [(name: String, word: String, change: @Sendable (inout [UInt8]) -> Void)] = [
    ("another magic", "not a zstd frame", { $0[0] = 0x50 }),
    ("no checksum", "no checksum", { $0[4] &= ~4 }),
    ("reserved bit", "reserved", { $0[4] |= 8 }),
    ("dictionary", "dictionary", { $0[4] |= 1 }),
    ("content size", "does not say", { $0[5] ^= 1 }),
    ("skippable frame behind", "other than one", { $0 += [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] }),
    ("second frame", "other than one", { $0 += $0 }),
    ("cut short", "other than one", { $0.removeLast() }),
    ("wrong checksum", "zstd:", { $0[$0.count - 1] ^= 1 }),
    // A window of 2^31 bytes and a content size of 4 bytes in front of the same blocks.
    ("huge window", "window", { $0 = Array($0[..<4]) + [0x84, 0xA8, 0x58, 0x02, 0, 0] + $0[7...] }),
  ]

  @Test(arguments: frames.indices)
  func framesThatPackagesMayNotHoldAreRefused(index: Int) throws {
    var sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    guard case .array(var frame) = sections[4].bytes, sections[4].encoding == .zstd else {
      Issue.record("the second tensor is to be compressed")
      return
    }
    try #require(frame[4] == 0x64)  // single segment, checksum, content size in 2 bytes
    Self.frames[index].change(&frame)
    sections[4].bytes = .array(frame)
    sections[4].storedLength = frame.count
    sections[4].storedHash = SHA256.hash(frame)
    let reader = try PackageReader(PackageLayout(sections).bytes)
    #expect { try reader.checkAll() } throws: {
      guard case .invalidFrame(_, let problem) = $0 as? PackageError else { return false }
      return problem.contains(Self.frames[index].word)
    }
    #expect(throws: PackageError.self) { try reader.readGraph(decodeOperator: ToyOperator.decode) }
  }

  /// A sound frame of other contents than the content hash names.
  @Test func contentsMustHaveTheirHash() throws {
    let sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    var forged = sections
    forged[4] = PendingSection(
      kind: .tensor, isCritical: true,
      contents: .array([UInt8](repeating: 1, count: 300) + [UInt8](repeating: 2, count: 300)))
    forged[4].rawHash = sections[4].rawHash
    let reader = try PackageReader(PackageLayout(forged).bytes)
    for body in [{ try reader.checkAll() }, { _ = try reader.readGraph(decodeOperator: ToyOperator.decode) }] {
      #expect {
        try body()
      } throws: {
        guard case .hashMismatch = $0 as? PackageError else { return false }
        return true
      }
    }
  }

  @Test func smallFramesDoNotStandForMuchMemory() throws {
    let zeros = try Tensor(bytes: [UInt8](repeating: 0, count: 1 << 20), elementType: .int8, shape: [1 << 20])
    var package = try ToyPackages.small()
    package.graph.nodes[1].constants["weight"] = zeros
    // The writer keeps the limit by not compressing.
    let reader = try PackageReader(PackageWriter.encode(package))
    #expect(reader.section(of: reader.graph.nodes[1].constants[0]).encoding == .stored)
    #expect(try reader.readAll().graph.nodes[1].constants["weight"]?.rawBytes == zeros.rawBytes)

    var sections = try PackageWriter.sections(of: package, threads: 1)
    sections[5].encoding = .zstd
    sections[5].bytes = .array([UInt8](repeating: 0, count: 100))
    sections[5].storedLength = 100
    #expect { try PackageReader(PackageLayout(sections).bytes) } throws: {
      ($0 as? PackageError)?.field == "raw length"
    }
  }

  @Test func unknownOperatorNamesItsNode() throws {
    let reader = try PackageReader(PackageWriter.encode(ToyPackages.small()))
    #expect(throws: PackageError.graph(.at(node: "conv1", .unknownOperator("toy")))) {
      try reader.readGraph { name, _ throws(GraphError) in throw .unknownOperator(name) }
    }
  }

  @Test func whatReadersWouldRefuseIsNotWritten() throws {
    let small = try ToyPackages.small()
    let sizes = { (sides: [Int]) in try sides.map { try ToyPackages.resolution($0, 3) } }
    let (twice, descending, many) = (
      try sizes([224, 224]), try sizes([224, 500, 400]), try sizes([224] + Array(500...564))
    )
    let odd = try [(224, Double.nan), (224, -1), (224, 0)].map { try [ToyPackages.resolution($0, $1)] }
    let furtherOdd = [try ToyPackages.resolution(224, 3), try ToyPackages.resolution(500, .nan)]
    let mixed = [try ToyPackages.resolution(224, 3), try ToyPackages.resolution(500, 3, filter: .lanczos)]
    var changes: [@Sendable (inout Package) -> Void] = ([twice, descending, many, furtherOdd, mixed] + odd).map {
      sizes in
      { $0.info.resolutions = sizes }
    }
    changes += [
      { $0.info.classCount = -1 }, { $0.info.classCount = 3 }, { $0.labels = ["one"] },
      { $0.graph.preprocessing.std[1] = 0 }, { $0.graph.preprocessing.mean[1] = .nan },
      { $0.graph.outputs[0].name = "two words" }, { $0.graph.nodes[0].constants["é"] = Tensor([1] as [Float]) },
      { $0.graph.nodes[1].op = ToyOperator(attributes: ["": .int(1)]) },
      { $0.graph.nodes[0].constants["weight"] = Tensor([1] as [Float], shape: Shape([Int](repeating: 1, count: 9))) },
    ]
    changes.append { package in
      let value = package.graph.outputs[0].value
      package.graph.outputs += (0..<256).map { GraphOutput(name: "output\($0)", value: value) }
    }
    changes.append { $0.metadata = String(repeating: " ", count: 16 << 20 + 1) }
    for (index, change) in changes.enumerated() {
      var package = small
      change(&package)
      #expect("change \(index)") { try PackageWriter.encode(package) } throws: {
        guard case .cannotStore = $0 as? PackageError else { return false }
        return true
      }
    }
    var broken = small
    broken.graph.nodes[1].name = "conv1"
    #expect { try PackageWriter.encode(broken) } throws: {
      guard case .graph = $0 as? PackageError else { return false }
      return true
    }
  }

  /// Contents that no writer makes: nothing, what is not ASCII, too much, and what is cut short or goes on.
  @Test(
    arguments: [
      [], [0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0x7F, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0, 0xFF],
      [1, 0, 0, 0, 0x41, 0, 0, 0, 0, 0], [1, 4, 0, 0] + [UInt8](repeating: 0x41, count: 1025) + [0, 0, 0, 0],
    ] as [[UInt8]])
  func badLicencesAreRefused(contents: [UInt8]) throws {
    var sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    sections.insert(
      PendingSection(kind: .license, isCritical: false, contents: .array(contents)), at: sections.count - 1)
    // A licence that cannot be read does not keep anybody from running the network.
    let reader = try PackageReader(PackageLayout(sections).bytes)
    #expect(throws: PackageError.self) { try reader.license() }
    #expect(throws: PackageError.self) { try reader.checkAll() }
  }

  /// A self-test of the small package, and a change that no writer makes.
  struct BadSelfTest: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let field: String
    let change: @Sendable (inout SelfTestRecord) -> Void
  }

  static let badSelfTests: [BadSelfTest] = [
    .init(testDescription: "name", field: "implementation") { $0.implementation = "a b" },
    .init(testDescription: "no images", field: "image count") { $0.imageCount = 0 },
    .init(testDescription: "many images", field: "image count") { $0.imageCount = 17 },
    .init(testDescription: "no height", field: "height") { $0.height = 0 },
    .init(testDescription: "large width", field: "width") { $0.width = 8193 },
    .init(testDescription: "higher than the package's images", field: "height") { $0.height = 224 + 8 },
    .init(testDescription: "wider than the package's images", field: "width at byte 23: 8192 is not from 1 to 231") {
      $0.width = 8192
    },
    .init(testDescription: "many pixels", field: "4 images of 224 x 231 exceed the limit of 155232 pixels") {
      ($0.imageCount, $0.height, $0.width) = (4, 231, 224)
    },
    .init(testDescription: "no checks", field: "check count") { $0.checks = [] },
    .init(testDescription: "the input", field: "value") { $0.checks[0].value = 0 },
    .init(testDescription: "a value that is not there", field: "value") { $0.checks[1].value = 3 },
    .init(testDescription: "out of order", field: "value") { $0.checks.swapAt(0, 1) },
    .init(testDescription: "twice", field: "value") { $0.checks[1] = $0.checks[0] },
    .init(testDescription: "norm", field: "sketch") {
      $0.checks[1].expectation = .sketch(SelfTestSketch(tolerance: 0.1, norm: -1, projections: [1, 1, 1]))
    },
    .init(testDescription: "not a number", field: "sketch") {
      $0.checks[1].expectation = .sketch(SelfTestSketch(tolerance: 0.1, norm: 1, projections: [1, .nan, 1]))
    },
  ]

  static let badTolerances: [BadSelfTest] = ([0, -0.1, 0.126, 3e38, .infinity, .nan] as [Float]).map { tolerance in
    BadSelfTest(testDescription: "tolerance \(tolerance)", field: "sketch") {
      $0.checks[1].expectation = .sketch(SelfTestSketch(tolerance: tolerance, norm: 1, projections: [1, 1, 1]))
    }
  }

  /// What the largest test of a conversion may ask for, and the largest tolerance.
  @Test(arguments: [(3, 224, 224), (3, 223, 230), (16, 40, 47), (1, 231, 231)])
  func testsOfThePackagesOwnSizeAreRead(images: Int, height: Int, width: Int) throws {
    var package = try ToyPackages.small()
    package.selfTest = SelfTestRecord(
      implementation: "toy", seed: 1, imageCount: images, height: height, width: width,
      checks: [
        .init(value: 2, expectation: .sketch(SelfTestSketch(tolerance: 0.125, norm: 1, projections: [1, 1, 1])))
      ])
    #expect(try PackageReader(PackageWriter.encode(package)).selfTest() == package.selfTest)
  }

  @Test(arguments: badSelfTests + badTolerances)
  func badSelfTestsAreRefused(bad: BadSelfTest) throws {
    var package = try ToyPackages.small()
    var record = SelfTestRecord(
      implementation: "toy", seed: 1, imageCount: 1, height: 8, width: 9,
      checks: [.init(value: 1, expectation: .specified(1)), .init(value: 2, expectation: .implementation(2))])
    package.selfTest = record
    let sound = try PackageReader(PackageWriter.encode(package))
    #expect(try sound.selfTest() == record)
    bad.change(&record)
    package.selfTest = record
    #expect {
      try PackageWriter.encode(package)
    } throws: {
      guard case .cannotStore(let problem) = $0 as? PackageError else { return false }
      return problem.contains(bad.field)
    }
    #expect(throws: PackageError.self) { try PackageWriter.sections(of: sound, metadata: "", selfTest: record) }
  }

  @Test(arguments: [[], [1, 0, 0, 0, 0x41], [UInt8](repeating: 0xFF, count: 64)] as [[UInt8]])
  func selfTestsThatCannotBeReadDamageThePackage(contents: [UInt8]) throws {
    var sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    sections.insert(
      PendingSection(kind: .selfTest, isCritical: false, contents: .array(contents)), at: sections.count - 1)
    let reader = try PackageReader(PackageLayout(sections).bytes)
    #expect(throws: PackageError.self) { try reader.selfTest() }
    #expect(throws: PackageError.self) { try reader.checkAll() }
  }

  @Test func selfTestsAreReplacedInPlace() throws {
    var package = try ToyPackages.small()
    package.license = PackageLicense(expression: "MIT")
    var record = SelfTestRecord(
      implementation: "toy", seed: 1, imageCount: 1, height: 8, width: 9,
      checks: [.init(value: 2, expectation: .specified(1))])
    for selfTest in [nil, record] {
      package.selfTest = selfTest
      let reader = try PackageReader(PackageWriter.encode(package))
      record.seed = 2
      let rewritten = try PackageWriter.sections(of: reader, metadata: "{}", selfTest: record)
      #expect(rewritten.map(\.kind.rawValue) == [1, 2, 3, 4, 4, 7, 8, 255])
      let back = try PackageReader(PackageLayout(rewritten).bytes).readAll()
      #expect(back.selfTest == record && back.license == package.license && back.metadata == "{}")
      let kept = try PackageWriter.sections(of: reader, metadata: "{}")
      #expect(try PackageReader(PackageLayout(kept).bytes).selfTest() == selfTest)
    }
  }
}
