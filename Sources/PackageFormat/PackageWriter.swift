import Files
import Graphs
import Tensors

/// Writes packages. The bytes depend only on the package and the version of libzstd, and not on the number of threads,
/// the time, or the path.
package enum PackageWriter {
  /// Writes `package` to the file at `path`, which appears whole or not at all.
  ///
  /// - Parameters:
  ///   - package: the package to write.
  ///   - path: the path of the file, which is replaced if it exists.
  ///   - threads: the number of threads that hash and compress sections. It does not change the bytes.
  /// - Throws: `PackageError.graph` or `.cannotStore` where no reader would accept the package; `.file` where writing
  ///   fails.
  @discardableResult
  package static func write(_ package: Package, to path: String, threads: Int = 1) throws(PackageError)
    -> PackageSummary
  {
    let layout = try layout(of: package, threads: threads)
    try layout.write(toPath: path)
    return layout.summary
  }

  /// Writes `package` to a file that the caller commits.
  ///
  /// - Throws: `PackageError.graph` or `.cannotStore` where no reader would accept the package; `.file` where writing
  ///   fails.
  @discardableResult
  package static func write(
    _ package: Package, to file: AtomicFile, threads: Int = 1
  ) throws(PackageError) -> PackageSummary {
    let layout = try layout(of: package, threads: threads)
    try layout.write(to: file)
    return layout.summary
  }

  /// Writes an open package with other metadata to `path`, which may be the file that it was opened from. Nothing is
  /// compressed again: every section is copied as it is stored, after its hash has been checked.
  ///
  /// - Parameter selfTest: the self-test to store; `nil` to keep the package's.
  /// - Throws: `PackageError.hashMismatch` where the open package is damaged; `.cannotStore` where the metadata is too
  ///   long; `.file` where writing fails.
  @discardableResult
  package static func write(
    _ reader: PackageReader, metadata: String, selfTest: SelfTestRecord? = nil, to path: String, threads: Int = 1
  ) throws(PackageError) -> PackageSummary {
    let layout = try layout(of: reader, metadata: metadata, selfTest: selfTest, threads: threads)
    try layout.write(toPath: path)
    return layout.summary
  }

  /// The file of an open package, with other metadata.
  ///
  /// - Parameter selfTest: the self-test to store; `nil` to keep the package's.
  /// - Throws: the errors of `sections`, and `PackageError.cannotStore` where the file would be too long.
  package static func layout(
    of reader: PackageReader, metadata: String, selfTest: SelfTestRecord? = nil, threads: Int = 1
  ) throws(PackageError) -> PackageLayout {
    try PackageLayout(try sections(of: reader, metadata: metadata, selfTest: selfTest, threads: threads))
  }

  /// The sections of an open package, with other metadata.
  ///
  /// - Parameter selfTest: the self-test to store; `nil` to keep the package's.
  /// - Throws: `PackageError.hashMismatch` where the open package is damaged; `.cannotStore` where the metadata is too
  ///   long.
  package static func sections(
    of reader: PackageReader, metadata: String, selfTest: SelfTestRecord? = nil, threads: Int = 1
  ) throws(PackageError) -> [PendingSection] {
    try reader.checkStoredBytes(threads: threads)
    let kept = reader.sections.filter { $0.kind != .metadata && ($0.kind != .selfTest || selfTest == nil) }
    var sections = kept.map { PendingSection(copying: $0, from: reader.storage) }
    if let selfTest {
      let bytes = SelfTestSection.encode(selfTest)
      try checkSelfTest(bytes, valueCount: reader.graph.nodes.count + 1, side: reader.info.standard.side)
      let position = sections.firstIndex { $0.kind.rawValue > SectionKind.selfTest.rawValue } ?? sections.count
      sections.insert(
        PendingSection(kind: .selfTest, isCritical: false, contents: .array(bytes)), at: position)
    }
    return sections + [try metadataSection(metadata)]
  }

  /// The size in bytes of the file that `write` would create.
  ///
  /// - Throws: `PackageError.graph` or `.cannotStore` where no reader would accept the package.
  package static func byteCount(of package: Package, threads: Int = 1) throws(PackageError) -> Int {
    try layout(of: package, threads: threads).summary.byteCount
  }

  /// The bytes of the file, for packages small enough for two copies in memory.
  ///
  /// - Parameters:
  ///   - package: the package to encode.
  ///   - threads: the number of threads that hash and compress sections.
  ///   - compressing: whether sections are compressed where that makes them smaller.
  /// - Throws: `PackageError.graph` or `.cannotStore` where no reader would accept the package.
  package static func encode(
    _ package: Package, threads: Int = 1, compressing: Bool = true
  ) throws(PackageError) -> [UInt8] {
    try layout(of: package, threads: threads, compressing: compressing).bytes
  }

  private static func layout(
    of package: Package, threads: Int, compressing: Bool = true
  ) throws(PackageError) -> PackageLayout {
    let sections = try sections(of: package, threads: threads, compressing: compressing)
    return try PackageLayout(sections)
  }

  /// The sections of a package, in the order of the file.
  ///
  /// - Throws: `PackageError.graph` or `.cannotStore` where no reader would accept the package.
  package static func sections(
    of package: Package, threads: Int, compressing: Bool = true
  ) throws(PackageError) -> [PendingSection] {
    do throws(GraphError) { try package.graph.validate() } catch { throw .graph(error) }
    let constants = try UniqueConstants(package.graph, threads: threads)
    let graph = GraphSection.encode(try GraphRecord(package.graph, tensorNumbers: constants.numbers))
    let runtime = RuntimeSection.encode(package.info)
    let labels = LabelSection.encode(package.labels)
    let selfTest = package.selfTest.map(SelfTestSection.encode)
    let license = package.license.map(LicenseSection.encode)
    let further = package.info.resolutions.dropFirst()
    let sizes = further.isEmpty ? nil : SizeSection.encode(further)
    let evaluation = package.info.standard.evaluation
    let resized = ResizingSection(filter: evaluation.filter, cropRatio: evaluation.cropRatio)
    let resizing = resized == .standard ? nil : resized.encode()
    // Readers decide what a package may contain, so the sections are parsed as a reader would parse them before
    // writing.
    do throws(PackageError) {
      _ = try GraphSection.parse(ByteCursor(graph), tensorLengths: constants.tensors.map(\.byteCount))
      let info = try PackageInfo(runtime: runtime, sizes: sizes, resizing: resizing)
      guard info.resolutions.map(\.evaluation) == package.info.resolutions.map(\.evaluation) else {
        throw .cannotStore("the sizes are cropped or resized in different ways")
      }
      if !package.labels.isEmpty {
        _ = try LabelSection.parse(ByteCursor(labels), classCount: package.info.classCount)
      }
      if let selfTest {
        try checkSelfTest(selfTest, valueCount: package.graph.nodes.count + 1, side: info.standard.side)
      }
      if let license {
        _ = try LicenseSection.parse(license)
        try checkLength(license, .license)
      }
      try checkLength(graph, .graph)
      try checkLength(labels, .labels)
    } catch {
      throw .cannotStore("\(error)")
    }

    func section(_ kind: SectionKind, _ bytes: [UInt8]) -> PendingSection {
      PendingSection(kind: kind, isCritical: kind.isCritical == true, contents: .array(bytes), compressing: compressing)
    }
    var sections = [section(.graph, graph), section(.runtime, runtime)]
    if !package.labels.isEmpty { sections.append(section(.labels, labels)) }
    sections += try constants.sections(threads: threads, compressing: compressing)
    if let sizes { sections.append(section(.sizes, sizes)) }
    if let resizing { sections.append(section(.resizing, resizing)) }
    if let selfTest { sections.append(section(.selfTest, selfTest)) }
    if let license { sections.append(section(.license, license)) }
    sections.append(try metadataSection(package.metadata, compressing: compressing))
    return sections
  }

  private static func checkSelfTest(_ bytes: [UInt8], valueCount: Int, side: Int) throws(PackageError) {
    do throws(PackageError) { _ = try SelfTestSection.parse(bytes, valueCount: valueCount, side: side) } catch {
      throw .cannotStore("\(error)")
    }
    try checkLength(bytes, .selfTest)
  }

  private static func checkLength(_ bytes: [UInt8], _ kind: SectionKind) throws(PackageError) {
    guard bytes.count <= kind.contentLimit else {
      throw .cannotStore("the \(kind) section's \(bytes.count) bytes are more than \(kind.contentLimit)")
    }
  }

  private static func metadataSection(_ text: String, compressing: Bool = true) throws(PackageError) -> PendingSection {
    let bytes = Array(text.utf8)
    try checkLength(bytes, .metadata)
    return PendingSection(kind: .metadata, isCritical: false, contents: .array(bytes), compressing: compressing)
  }
}

/// A graph's constants in the order of their first use, with those of equal bytes only once.
struct UniqueConstants: Sendable {
  private(set) var tensors: [Tensor] = []
  /// The hash of each tensor's bytes.
  private(set) var hashes: [SHA256.Digest] = []
  /// For each constant, the index of the tensor with its bytes.
  private(set) var numbers: [ConstantKey: Int] = [:]

  init(_ graph: Graph, threads: Int) throws(PackageError) {
    let constants = graph.nodes.enumerated().flatMap { index, node in
      GraphRecord.sortedConstants(node).map { (key: ConstantKey(node: index, role: $0.role), tensor: $0.tensor) }
    }
    let digests = try concurrentMap(count: constants.count, threads: threads) { index throws(PackageError) in
      constants[index].tensor.withBytes { SHA256.hash($0) }
    }
    var numberByDigest: [SHA256.Digest: Int] = [:]
    for (constant, digest) in zip(constants, digests) {
      let number = numberByDigest[digest] ?? tensors.count
      if number == tensors.count {
        numberByDigest[digest] = number
        tensors.append(constant.tensor)
        hashes.append(digest)
      }
      numbers[constant.key] = number
    }
  }

  /// A section for each tensor.
  func sections(threads: Int, compressing: Bool = true) throws(PackageError) -> [PendingSection] {
    try concurrentMap(count: tensors.count, threads: threads) { index throws(PackageError) in
      PendingSection(
        kind: .tensor, isCritical: true, contents: .tensor(tensors[index].contiguous()), rawHash: hashes[index],
        compressing: compressing)
    }
  }
}
