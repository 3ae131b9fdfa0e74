import Files

extension FormatError: JSONFailure {}

/// Reads the JSON of safetensors headers, indices and companions of embeddings.
typealias HeaderJSON = JSONReader<FormatError>

extension PlainValue {
  /// Reads a file of JSON (RFC 8259).
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it is not JSON, or
  ///   an object has a key twice.
  package static func readJSON(path: String) throws(CheckpointError) -> PlainValue {
    let file: MappedFile
    do throws(FileError) { file = try MappedFile(path: path) } catch { throw .file(error) }
    return try readJSON(file)
  }

  /// As above, for a file that is mapped or in memory.
  ///
  /// - Throws: `CheckpointError.content` if it is not JSON, or an object has a key twice.
  package static func readJSON(_ file: MappedFile) throws(CheckpointError) -> PlainValue {
    do throws(FormatError) {
      return try HeaderJSON.plainValue(ofFile: file.storage)
    } catch {
      throw .content(path: file.path, format: nil, error)
    }
  }
}
