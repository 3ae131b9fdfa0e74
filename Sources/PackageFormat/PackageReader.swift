import Files
import Graphs
import Tensors

/// An open package.
///
/// Opening checks the header, the index, and all sections that the reader knows except tensors, the self-test, the
/// licence and metadata, by hash and by content. It reads no tensor. The file stays mapped as long as the reader, or a
/// tensor read from it, is alive.
package struct PackageReader: Sendable {
  /// The path that the package was opened at.
  package let path: String
  /// The major format version of the file, which is always that of the reader.
  package let majorVersion: Int
  /// The minor format version of the file, which may be later than that of the reader.
  package let minorVersion: Int
  /// Identifies what the package computes, independently of compression and metadata.
  package let contentHash: SHA256.Digest
  /// What a program that runs the package needs to know besides the graph.
  package let info: PackageInfo
  /// The name of each class, in the order of the logits; empty if the names are unknown.
  package let labels: [String]
  /// The graph, without the elements of its constants.
  package let graph: GraphRecord
  /// All sections in the order of the file.
  package let sections: [SectionEntry]

  let storage: TensorStorage
  /// The file that the package was opened from; `nil` for bytes from elsewhere.
  private(set) var file: MappedFile?
  private let tensorSections: [SectionEntry]

  /// Opens the package at `path`.
  ///
  /// - Throws: `PackageError.file` where the file cannot be read; otherwise as `init(storage:path:)`.
  package static func open(path: String) throws(PackageError) -> PackageReader {
    let file: MappedFile
    do throws(FileError) { file = try MappedFile(path: path) } catch { throw .file(error) }
    var reader = try PackageReader(storage: file.storage, path: path)
    reader.file = file
    return reader
  }

  /// Opens a package that is a part of an open file, which may be closed afterwards.
  ///
  /// - Parameters:
  ///   - descriptor: of a regular file that is open for reading.
  ///   - offset: the byte of the file that the package starts at.
  ///   - byteCount: the size of the package; `nil` for all bytes up to the end of the file.
  /// - Throws: `PackageError.file` where the file cannot be read or does not have these bytes; otherwise as
  ///   `init(storage:path:)`.
  package static func open(
    descriptor: Int32, offset: Int, byteCount: Int?
  ) throws(PackageError) -> PackageReader {
    let path = "descriptor \(descriptor)"
    let file: MappedFile
    do throws(FileError) {
      file = try MappedFile(descriptor: descriptor, path: path, offset: offset, byteCount: byteCount)
    } catch {
      throw .file(error)
    }
    return try PackageReader(storage: file.storage, path: path)
  }

  /// Opens a package whose bytes are in memory or mapped.
  ///
  /// - Parameters:
  ///   - storage: the bytes of the whole file.
  ///   - path: the path to report, which is not opened.
  /// - Throws: `PackageError.notAPackage` for another kind of file; `.newerVersion`, `.unknownObligations` or
  ///   `.unknownCriticalSection` for a package that this version cannot read; `.fileLength`, `.outOfBounds`,
  ///   `.hashMismatch`, `.invalidField`, `.missingSection` or `.invalidFrame` for one that is damaged or malformed.
  package init(storage: TensorStorage, path: String) throws(PackageError) {
    let cursor = ByteCursor(storage)
    let header = try FileHeader.parse(cursor, fileLength: storage.bytes.count)
    let sections = try SectionIndex.parse(cursor, header: header)
    let tensorSections = sections.filter { $0.kind == .tensor }
    func known(_ kind: SectionKind) throws(PackageError) -> SectionContents? {
      guard let number = sections.firstIndex(where: { $0.kind == kind }) else { return nil }
      return try SectionContents(sections[number], number: number, storage: storage)
    }
    func contents(_ kind: SectionKind) throws(PackageError) -> [UInt8]? { try known(kind)?.array() }
    let info = try PackageInfo(
      runtime: try contents(.runtime) ?? [], sizes: try contents(.sizes), resizing: try contents(.resizing))
    if let section = try known(.labels) {
      labels = try LabelSection.parse(section.cursor, classCount: info.classCount)
    } else {
      labels = []
    }
    self.info = info
    graph = try GraphSection.parse(
      try known(.graph)?.cursor ?? ByteCursor([]), tensorLengths: tensorSections.map(\.rawLength))
    self.path = path
    majorVersion = FileHeader.major
    minorVersion = header.minor
    contentHash = header.contentHash
    self.sections = sections
    self.tensorSections = tensorSections
    self.storage = storage
  }

  /// The version of the package format that is read and written.
  package static var formatVersion: (major: Int, minor: Int) { (FileHeader.major, FileHeader.minor) }

  /// The bytes that every package starts with.
  package static let magic = FileHeader.magic

  /// The size of the file in bytes.
  package var byteCount: Int { storage.bytes.count }

  /// The number of bytes of the contents of all tensor sections.
  package var constantByteCount: Int { tensorSections.reduce(0) { $0 + $1.rawLength } }

  /// Releases the memory of the pages of the file that were read. The file stays mapped and readable.
  package func releasePages() { storage.releasePages(0..<byteCount) }

  /// The section that contains a constant's elements.
  package func section(of constant: ConstantRecord) -> SectionEntry { tensorSections[constant.tensor] }

  /// Reads what the network computes for synthetic images; `nil` if the package does not state it.
  ///
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where the section is damaged; `.outOfBounds` or
  ///   `.invalidField` where it is malformed.
  package func selfTest() throws(PackageError) -> SelfTestRecord? {
    guard let contents = try ignorableContents(.selfTest) else { return nil }
    return try SelfTestSection.parse(
      contents.array(), valueCount: graph.nodes.count + 1, side: info.standard.side)
  }

  /// Reads the licence of the weights; `nil` if the package states none.
  ///
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where the section is damaged; `.outOfBounds` or
  ///   `.invalidField` where it is malformed.
  package func license() throws(PackageError) -> PackageLicense? {
    guard let contents = try ignorableContents(.license) else { return nil }
    return try LicenseSection.parse(contents.array())
  }

  /// Reads the JSON text of the metadata; empty if the package has none.
  ///
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where the section is damaged; `.invalidField` where it is
  ///   not UTF-8.
  package func metadata() throws(PackageError) -> String {
    try ignorableContents(.metadata)?.text() ?? ""
  }

  /// The contents of a section that opening does not read; `nil` if the package has none of this kind.
  private func ignorableContents(_ kind: SectionKind) throws(PackageError) -> SectionContents? {
    guard let number = sections.firstIndex(where: { $0.kind == kind }) else { return nil }
    return try SectionContents(sections[number], number: number, storage: storage)
  }

  /// Reads the graph with its constants, each checked against its hash. Constants that are not compressed are views of
  /// the file.
  ///
  /// - Parameters:
  ///   - threads: the number of threads that decompress and hash constants.
  ///   - decodeOperator: returns the operator with a wire name and attributes.
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where a constant is damaged; `.graph` where an operator
  ///   is unknown, or refuses its attributes or the number of its inputs. Shapes are not checked: `Graph.inferShapes`
  ///   does that.
  package func readGraph(
    threads: Int = 1,
    decodeOperator: (_ wireName: String, _ attributes: Attributes) throws(GraphError) -> any Operator
  ) throws(PackageError) -> Graph {
    let loaded = try concurrentMap(count: tensorSections.count, threads: threads) { number throws(PackageError) in
      try contents(ofTensor: number)
    }
    return try graph.graph(decodeOperator: decodeOperator) { record throws(PackageError) in
      try tensor(record, loaded[record.tensor])
    }
  }
}

extension PackageReader {
  /// The graph with constants that have a type and a shape, but no elements; `constantsByNode` reads these.
  ///
  /// - Parameter decodeOperator: returns the operator with a wire name and attributes.
  /// - Throws: `PackageError.graph`, as `readGraph` does.
  package func describedGraph(
    decodeOperator: (_ wireName: String, _ attributes: Attributes) throws(GraphError) -> any Operator
  ) throws(PackageError) -> Graph {
    try graph.graph(decodeOperator: decodeOperator) { record in
      Tensor(describing: record.elementType, shape: record.shape)
    }
  }

  /// A function that reads the constants of a node, by role, each checked against its hash. The memory of constants
  /// that were freed is reused for those of later nodes.
  ///
  /// - Returns: A function that takes the index of a node, and throws `PackageError.hashMismatch` or `.invalidFrame`
  ///   where a constant is damaged.
  package func constantsByNode() -> @Sendable (_ node: Int) throws(PackageError) -> [String: Tensor] {
    let pool = BufferPool()
    return { node throws(PackageError) in
      var result: [String: Tensor] = [:]
      for record in graph.nodes[node].constants {
        result[record.role] = try tensor(record, try contents(ofTensor: record.tensor, pool: pool))
      }
      return result
    }
  }

  private func contents(ofTensor number: Int, pool: BufferPool? = nil) throws(PackageError) -> SectionContents {
    let first = sections.firstIndex { $0.kind == .tensor } ?? 0
    return try SectionContents(tensorSections[number], number: first + number, storage: storage, pool: pool)
  }

  private func tensor(_ record: ConstantRecord, _ contents: SectionContents) throws(PackageError) -> Tensor {
    guard
      let tensor = Tensor(
        elementType: record.elementType, shape: record.shape, storage: contents.storage,
        byteOffset: contents.range.lowerBound)
    else {
      throw .invalidField(
        part: GraphSection.part, field: "shape", offset: 0, problem: "\(record.shape) exceeds its section")
    }
    return tensor
  }
}

/// The contents of a section, decompressed if necessary and checked against the hash in the index.
struct SectionContents: Sendable {
  let storage: TensorStorage
  let range: Range<Int>
  private let part: String

  init(
    _ entry: SectionEntry, number: Int, storage file: TensorStorage, pool: BufferPool? = nil
  ) throws(PackageError) {
    part = Self.part(entry, number: number)
    if entry.encoding == .zstd {
      let part = part
      let result = file.withBytes(in: entry.range) { frame in
        Result { () throws(PackageError) in
          try ZstdFrame.decompress(frame, byteCount: entry.rawLength, part: part, pool: pool)
        }
      }
      storage = try result.get()
      range = 0..<entry.rawLength
      if entry.range.count >= Self.largeFrame { file.releasePages(entry.range) }
    } else {
      storage = file
      range = entry.range
    }
    guard storage.withBytes(in: range, { SHA256.hash($0) }) == entry.rawHash else {
      throw .hashMismatch(part: part, offset: entry.offset)
    }
  }

  /// The size in bytes from which it pays to release the pages of a frame as soon as it has been read.
  private static let largeFrame = 1 << 18

  static func part(_ entry: SectionEntry, number: Int) -> String { "section \(number) (\(entry.kind))" }

  func array() -> [UInt8] { storage.withBytes(in: range) { Array($0) } }

  /// A cursor whose offsets count from the start of the contents.
  var cursor: ByteCursor { range.lowerBound == 0 ? ByteCursor(storage, range: range) : ByteCursor(array()) }

  func text() throws(PackageError) -> String {
    guard let text = storage.withBytes(in: range, { String(ofFile: $0) }) else {
      throw .invalidField(part: part, field: "text", offset: 0, problem: "is not \(String.fileTextRule)")
    }
    return text
  }
}
