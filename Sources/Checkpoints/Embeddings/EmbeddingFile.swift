import Files
import Tensors

/// A file of embeddings that `quern embed` or another program wrote: one row for each image. Rows are read on request.
package struct EmbeddingFile: Sendable {
  /// The path of the file.
  package let path: String
  /// The format, which the file's content or else its name states.
  package let format: EmbeddingFormat
  /// The number of rows; at least 1.
  package let count: Int
  /// The number of elements of a row; at least 1.
  package let dimensions: Int
  /// The names of the images; `nil` where neither the file nor the JSON file next to it states them.
  package let names: [String]?
  /// What else is stated about the images, with the keys of golden files.
  package let metadata: [String: String]

  /// A view of all rows, [count, dimensions], of type float32, float16, bfloat16 or float64.
  private let rows: Tensor

  /// Opens a file. The content shows whether it is a NumPy or a safetensors file. The others are recognised by their
  /// names, and checked against the size of the file.
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it does not
  ///   consist of rows of floats, or if the names next to it are not those of its rows.
  package init(path: String) throws(CheckpointError) {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    try self.init(file)
  }

  /// As above, for a file that is mapped or in memory.
  ///
  /// - Throws: `CheckpointError.content` if it does not consist of rows of floats, or if the names next to it are not
  ///   those of its rows; `CheckpointError.file` if these cannot be read.
  package init(_ file: MappedFile) throws(CheckpointError) {
    let path = file.path
    let format: EmbeddingFormat
    do {
      format = try Self.format(of: file)
      self.format = format
      rows = try Self.rows(of: file, format)
    } catch { throw .content(path: path, format: nil, error) }
    self.path = path
    (count, dimensions) = (rows.shape[0], rows.shape[1])
    if format == .safetensors {
      do {
        metadata = try SafetensorsReader.read(file).metadata
        names = if let text = metadata["files"] { try Self.names(text, count: count) } else { nil }
      } catch { throw .content(path: path, format: .safetensors, error) }
    } else {
      (names, metadata) = try Self.companion(of: file, count: rows.shape[0])
    }
  }

  /// A range of rows, [rows, D], in the type of the file, contiguous.
  ///
  /// - Throws: `CheckpointError.content` where a row of an fvecs file has another dimension than the first.
  package func rows(_ range: Range<Int>) throws(CheckpointError) -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count)")
    let step = rows.strides[0] * rows.elementType.byteCount
    let start = rows.byteOffset + range.lowerBound * step
    guard format == .fvecs else {
      let shape: Shape = [range.count, dimensions]
      guard
        let view = Tensor(elementType: rows.elementType, shape: shape, storage: rows.storage, byteOffset: start)
      else { preconditionFailure("rows \(range) end outside of the file") }
      return view
    }
    let bytes = rows.storage.bytes
    for row in range {
      let offset = rows.byteOffset + row * step - 4
      let found = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      guard Int(found) == dimensions else {
        throw .content(
          path: path, format: nil,
          .malformed(
            field: "dimension of row \(row)", offset: offset,
            reason: "it is \(found), and that of the first row is \(dimensions)"))
      }
    }
    return Tensor(shape: [range.count, dimensions], of: Float.self) { target in
      let target = UnsafeMutableRawBufferPointer(target)
      for row in 0..<range.count {
        let source = UnsafeRawBufferPointer(rebasing: bytes[start + row * step..<start + row * step + dimensions * 4])
        UnsafeMutableRawBufferPointer(rebasing: target[row * dimensions * 4..<(row + 1) * dimensions * 4])
          .copyMemory(from: source)
      }
    }
  }

  /// Gives the memory of rows that were read back to the system. Views of them stay valid.
  package func releasePages(_ range: Range<Int>) {
    let step = rows.strides[0] * rows.elementType.byteCount
    rows.storage.releasePages(rows.byteOffset + range.lowerBound * step..<rows.byteOffset + range.upperBound * step)
  }

  // MARK: - Formats

  private static func format(of file: MappedFile) throws(FormatError) -> EmbeddingFormat {
    if NumpyArray.isOne(file) { return .npy }
    switch EmbeddingFormat(path: file.path) {
    case .fbin?: return .fbin
    case .fvecs?: return .fvecs
    case .npy?: throw .malformed(field: "magic", offset: 0, reason: "it is not that of a .npy file")
    case .safetensors?: return .safetensors
    case nil:
      if SafetensorsReader.isPlausible(file) { return .safetensors }
      throw .malformed(
        field: "content", offset: 0,
        reason: "embeddings are read from safetensors and .npy files, and from files whose names end in .fbin or .fvecs"
      )
    }
  }

  private static func rows(of file: MappedFile, _ format: EmbeddingFormat) throws(FormatError) -> Tensor {
    let tensor: Tensor
    switch format {
    case .safetensors: tensor = try namedRows(of: try SafetensorsReader.read(file).tensors)
    case .npy: tensor = try NumpyArray.read(file)
    case .fbin:
      var cursor = ByteCursor(file.storage)
      let (count, dimensions) = (
        Int(try cursor.value(UInt32.self, "number of rows")), Int(try cursor.value(UInt32.self, "dimensions"))
      )
      tensor = try matrix(of: file, from: 8, count: count, dimensions: dimensions, stride: dimensions)
    case .fvecs:
      var cursor = ByteCursor(file.storage)
      let dimensions = Int(try cursor.value(UInt32.self, "dimension of row 0"))
      // Cannot overflow: the dimension has 32 bits.
      let (count, rest) = file.byteCount.quotientAndRemainder(dividingBy: 4 * (dimensions + 1))
      guard rest == 0 else {
        throw .malformed(
          field: "dimension of row 0", offset: 0,
          reason: "rows of \(dimensions) numbers, each row after its dimension, do not fill \(file.byteCount) bytes")
      }
      tensor = try matrix(of: file, from: 4, count: count, dimensions: dimensions, stride: dimensions + 1)
    }
    guard tensor.shape.rank == 2, tensor.shape[0] > 0, tensor.shape[1] > 0, tensor.elementType.isFloatingPoint else {
      throw .malformed(
        field: "shape", offset: 0,
        reason: "\(tensor.elementType) \(tensor.shape): embeddings are floats [images, D], with an image at least")
    }
    return tensor
  }

  /// - Parameter stride: from row to row, in elements.
  private static func matrix(
    of file: MappedFile, from offset: Int, count: Int, dimensions: Int, stride: Int
  ) throws(FormatError) -> Tensor {
    let (elements, overflow) = count.multipliedReportingOverflow(by: stride)
    let (bytes, overflowOfBytes) = elements.multipliedReportingOverflow(by: 4)
    let last = stride - dimensions  // the dimension that no row follows
    guard !overflow, !overflowOfBytes, bytes - 4 * last == file.byteCount - offset,
      let tensor = Tensor(
        elementType: .float32, shape: [count, dimensions], strides: [stride, 1], storage: file.storage,
        byteOffset: offset)
    else {
      throw .malformed(
        field: "size", offset: 0,
        reason: "\(count) rows of \(dimensions) float32 numbers do not take the \(file.byteCount - offset) bytes that "
          + "follow; the file is cut short or damaged: fetch it again")
    }
    return tensor
  }

  private static func namedRows(of tensors: NamedTensors) throws(FormatError) -> Tensor {
    guard let tensor = tensors["normalized_embedding"] ?? tensors["embedding"] else {
      throw .malformed(
        field: "tensors", offset: 0, reason: "there is neither 'normalized_embedding' nor 'embedding' among them")
    }
    return tensor
  }

  // MARK: - Recognition

  /// Whether `quern embed`, in this version or an earlier one, may have written a file, which a new one may then
  /// replace: a safetensors file with `normalized_embedding` and the names of images, or float32 rows that are of unit
  /// length or have a file with names next to them. Rows of unit length that another program wrote look the same.
  ///
  /// - Parameter format: the format to look for, whatever the name of the file.
  package static func isPlausible(_ file: MappedFile, as format: EmbeddingFormat) -> Bool {
    if format == .safetensors {
      guard let contents = try? SafetensorsReader.read(file) else { return false }
      return contents.tensors["normalized_embedding"] != nil && contents.metadata["files"] != nil
    }
    guard let array = try? Self.rows(of: file, format), array.elementType == .float32 else { return false }
    // Embeddings that cannot be searched, zeros and NaN, have no length.
    let isUnit = (0..<min(array.shape[0], 64)).allSatisfy { row in
      let start = array.byteOffset + row * array.strides[0] * 4
      let square = (0..<array.shape[1]).reduce(0.0) { sum, column in
        let value = file.storage.bytes.loadUnaligned(fromByteOffset: start + column * 4, as: Float.self)
        return sum + Double(value) * Double(value)
      }
      return abs(square - 1) < 1e-3 || square == 0 || !square.isFinite
    }
    return isUnit || (try? FileIdentity.of(EmbeddingFormat.companion(of: file.path))) != nil
  }

  // MARK: - Names

  private static func names(_ text: String, count: Int) throws(FormatError) -> [String] {
    var json = HeaderJSON(cursor: ByteCursor(Array(text.utf8)))
    let names = try json.strings()
    guard names.count == count else {
      throw .malformed(field: "files", offset: 0, reason: "\(names.count) names for \(count) rows")
    }
    return names
  }

  /// What the JSON file next to a file of numbers states. A file there without the schema of such files is ignored.
  private static func companion(
    of numbers: MappedFile, count: Int
  ) throws(CheckpointError) -> (names: [String]?, metadata: [String: String]) {
    let path = EmbeddingFormat.companion(of: numbers.path)
    let file: MappedFile
    do throws(FileError) {
      guard try FileIdentity.of(path) != nil else { return (nil, [:]) }
      file = try MappedFile(path: path)
    } catch { throw .file(error) }
    guard EmbeddingWriter.isCompanion(file) else { return (nil, [:]) }
    do { return try companion(ByteCursor(file.storage), of: numbers, count: count) } catch {
      throw .content(path: path, format: nil, error)
    }
  }

  private static func companion(
    _ cursor: ByteCursor, of numbers: MappedFile, count: Int
  ) throws(FormatError) -> (names: [String]?, metadata: [String: String]) {
    var (names, metadata): ([String], [String: String]) = ([], [:])
    var hash: (text: String?, offset: Int)?
    var json = HeaderJSON(cursor: cursor)
    try json.object { (json, key, offset) throws(FormatError) in
      if key == "files" {
        names = try json.strings()
      } else if key == EmbeddingWriter.hashKey {
        hash = (try json.stringOrSkip(), offset)
      } else if let text = try json.stringOrSkip(), key != "schema" {
        metadata[key] = text
      }
    }
    // Earlier versions, and other programs, state none.
    if let hash, hash.text != numbers.sha256().hex {
      throw .malformed(
        field: EmbeddingWriter.hashKey, offset: hash.offset,
        reason: "it is not the SHA-256 of \(numbers.path), so the names are those of other numbers: a run ended "
          + "between the two files, or two runs wrote them at once. Run 'quern embed' again; if you changed the numbers "
          + "and not their order, remove this member")
    }
    guard names.count == count else {
      throw .malformed(field: "files", offset: 0, reason: "\(names.count) names for \(count) rows")
    }
    return (names, metadata)
  }
}
