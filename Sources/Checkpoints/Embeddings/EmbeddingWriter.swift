import Files
import PrintableText

/// Writes files of embeddings that have only numbers, in float32.
package enum EmbeddingWriter {
  /// Writes rows to a file that the caller commits.
  ///
  /// - Parameters:
  ///   - format: any except safetensors, which `SafetensorsWriter` writes.
  ///   - rows: each has `dimensions` elements.
  /// - Returns: the SHA-256 of the file, which the file with the names states.
  /// - Throws: `FileError.cannotWrite`.
  @discardableResult
  package static func write(
    _ rows: some Collection<[Float]>, dimensions: Int, as format: EmbeddingFormat, to file: AtomicFile
  ) throws(FileError) -> SHA256.Digest {
    precondition(format != .safetensors, "safetensors files have names")
    precondition(rows.allSatisfy { $0.count == dimensions }, "a row does not have \(dimensions) elements")
    let header: [UInt8] =
      switch format {
      case .npy: numpyHeader(rows: rows.count, dimensions: dimensions)
      case .fbin: integer(rows.count) + integer(dimensions)
      case .safetensors, .fvecs: []
      }
    let rowHeader = format == .fvecs ? integer(dimensions) : []
    var hash = SHA256()
    hash.update(header)
    try file.write(header)
    for row in rows {
      hash.update(rowHeader)
      try file.write(rowHeader)
      // All platforms are little-endian, as the formats are.
      row.withUnsafeBytes { hash.update($0) }
      let result = row.withUnsafeBytes { bytes in Result { () throws(FileError) in try file.write(bytes) } }
      try result.get()
    }
    return hash.finalize()
  }

  private static let schema = "quern.embeddings/1"
  /// The key of the SHA-256 of the numbers, by which names of other numbers are noticed. Two files cannot be replaced
  /// at once, and other processes may write to them, too.
  static let hashKey = "numbers_sha256"

  /// Whether a JSON file next to a file of numbers has the names of its images: it states its schema at the start.
  package static func isCompanion(_ file: MappedFile) -> Bool {
    file.withBytes { String(decoding: $0.prefix(80), as: UTF8.self).contains("\"\(schema)\"") }
  }

  /// Writes the JSON file next to a file of numbers, which the caller commits: the names of the images as the array
  /// `files`, and the metadata as strings.
  ///
  /// - Parameter numbers: the SHA-256 of the file of numbers.
  /// - Throws: `FileError.cannotWrite`.
  package static func writeCompanion(
    of numbers: SHA256.Digest, files: [String], metadata: [String: String], to file: AtomicFile
  ) throws(FileError) {
    let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    let members = pairs.map { ",\n\(SafetensorsWriter.quoted($0.key)):\(SafetensorsWriter.quoted($0.value))" }
    let names = files.map { SafetensorsWriter.quoted($0) }.joined(separator: ",\n")
    try file.write(
      printableJSON(
        "{\"schema\":\"\(schema)\",\n\"\(hashKey)\":\"\(numbers.hex)\"\(members.joined()),\n\"files\":[\n\(names)]}\n"))
  }

  private static func integer(_ value: Int) -> [UInt8] {
    let value = UInt32(value)
    return [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  /// The header of version 1, padded so that the data starts at a multiple of 64 bytes, as NumPy writes it.
  private static func numpyHeader(rows: Int, dimensions: Int) -> [UInt8] {
    var text = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(dimensions)), }".utf8)
    let prefix = NumpyArray.magic.count + 4
    while (prefix + text.count + 1) % 64 != 0 { text.append(0x20) }
    text.append(0x0A)
    return NumpyArray.magic + [1, 0, UInt8(text.count & 0xFF), UInt8(text.count >> 8)] + text
  }
}
