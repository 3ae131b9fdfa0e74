import Files
import Graphs
import Tensors

/// An open package.
///
/// Opening checks the header, the index and the graph, runtime and label sections, by hash and by content; it reads no
/// tensor. The file stays mapped for as long as the reader, or a tensor that it gave, lives.
package struct PackageReader: Sendable {
  package let path: String
  /// The format version of the file. The major version is always the reader's own.
  package let majorVersion: Int
  package let minorVersion: Int
  /// Names what the package computes, whatever the compression and the metadata.
  package let contentHash: SHA256.Digest
  package let info: PackageInfo
  /// A name for each class, or empty.
  package let labels: [String]
  /// The graph without its tensors' bytes.
  package let graph: GraphRecord
  /// All sections in the order of the file.
  package let sections: [SectionEntry]

  let storage: TensorStorage
  private let tensorSections: [SectionEntry]

  /// Opens the package at `path`.
  package static func open(path: String) throws(PackageError) -> PackageReader {
    let file: MappedFile
    do throws(FileError) { file = try MappedFile(path: path) } catch { throw .file(error) }
    return try PackageReader(storage: file.storage, path: path)
  }

  package init(storage: TensorStorage, path: String) throws(PackageError) {
    let cursor = ByteCursor(storage)
    let header = try FileHeader.parse(cursor, fileLength: storage.bytes.count)
    let sections = try SectionIndex.parse(cursor, header: header)
    let tensorSections = sections.filter { $0.kind == .tensor }
    func contents(_ kind: SectionKind) throws(PackageError) -> [UInt8]? {
      guard let number = sections.firstIndex(where: { $0.kind == kind }) else { return nil }
      return try SectionContents(sections[number], number: number, storage: storage).array()
    }
    let info = try PackageInfo(
      runtime: try contents(.runtime) ?? [], sizes: try contents(.sizes), resizing: try contents(.resizing))
    if let bytes = try contents(.labels) {
      labels = try LabelSection.parse(bytes, classCount: info.classCount)
    } else {
      labels = []
    }
    self.info = info
    graph = try GraphSection.parse(try contents(.graph) ?? [], tensorLengths: tensorSections.map(\.rawLength))
    self.path = path
    majorVersion = FileHeader.major
    minorVersion = header.minor
    contentHash = header.contentHash
    self.sections = sections
    self.tensorSections = tensorSections
    self.storage = storage
  }

  /// The bytes that every package starts with.
  package static let magic = FileHeader.magic

  package var byteCount: Int { storage.bytes.count }

  /// Gives back the memory of what was read of the file. It stays readable.
  package func releasePages() { storage.releasePages(0..<byteCount) }

  /// The section that holds a constant's bytes.
  package func section(of constant: ConstantRecord) -> SectionEntry { tensorSections[constant.tensor] }

  /// The JSON text; empty where the package has none.
  package func metadata() throws(PackageError) -> String {
    guard let number = sections.firstIndex(where: { $0.kind == .metadata }) else { return "" }
    return try SectionContents(sections[number], number: number, storage: storage).text()
  }

  /// The graph with its tensors, each checked against its hash. Tensors that are not compressed are views of the file.
  ///
  /// - Parameter decodeOperator: makes the operator with a wire name from its attributes.
  /// - Throws: `.graph` where an operator is unknown or refuses its attributes or the number of its inputs. Shapes are not
  ///   checked: `Graph.inferShapes` does that.
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
  /// The graph with constants that have a type and a shape and no elements, which `constantsByNode` gives.
  ///
  /// - Throws: as `readGraph`.
  package func describedGraph(
    decodeOperator: (_ wireName: String, _ attributes: Attributes) throws(GraphError) -> any Operator
  ) throws(PackageError) -> Graph {
    try graph.graph(decodeOperator: decodeOperator) { record in
      Tensor(describing: record.elementType, shape: record.shape)
    }
  }

  /// Gives the constants of one node after the other, by role and each checked against its hash, in memory that is used
  /// again when they are gone.
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

/// A section's contents, decompressed where they must be, which have the hash that the index states.
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

  /// Bytes of a frame whose pages are worth a call to the system as soon as they are read.
  private static let largeFrame = 1 << 18

  static func part(_ entry: SectionEntry, number: Int) -> String { "section \(number) (\(entry.kind))" }

  func array() -> [UInt8] { storage.withBytes(in: range) { Array($0) } }

  func text() throws(PackageError) -> String {
    guard let text = storage.withBytes(in: range, { String(validating: $0, as: UTF8.self) }) else {
      throw .invalidField(part: part, field: "text", offset: 0, problem: "is not UTF-8")
    }
    return text
  }
}
