import Checkpoints
import Fidelity
import Files
import FoundationEssentials
import Graphs
import Tensors

/// Stored embeddings and logits: a safetensors file as 'quern embed' writes it, or a .npy, fbin or fvecs file with
/// embeddings alone.
struct OutputFile: Sendable {
  let path: String
  /// The name of the format, such as "safetensors".
  let format: String
  let byteCount: Int
  let sha256: String
  /// [rows, D], normalised or not.
  let embeddings: FloatRows?
  /// [rows, classes].
  let logits: FloatRows?
  /// The name of each row's image; `nil` if the file does not state them.
  let names: [String]?
  /// The SHA-256 of each row's image file, in lower-case hexadecimal; `nil` if the file does not state them.
  let hashes: [String]?
  /// How images became inputs, as far as the file states it: the values of `evaluationKeys` that it has.
  let evaluation: [String: String]

  /// The metadata keys that say how images became inputs (formats/golden.md).
  private static let evaluationKeys = ["size", "crop", "resize", "crop_ratio", "exif_orientation"]

  /// The number of rows.
  var count: Int { embeddings?.count ?? logits?.count ?? 0 }

  /// - Throws: `CheckpointError` or `FileError` if the file cannot be read; `ConversionError.wrongKind` if it contains
  ///   no such outputs.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    byteCount = file.byteCount
    sha256 = file.sha256().hex
    self.path = path
    func refuse(_ problem: String) -> ConversionError { .wrongKind("\(path): \(problem)") }
    func rows(_ tensor: Tensor?, _ name: String) throws -> FloatRows? {
      guard let tensor else { return nil }
      guard let rows = FloatRows(tensor), rows.width > 0 else {
        throw refuse("\(name) is \(tensor.elementType) \(tensor.shape), not a row of floats for each image")
      }
      return rows
    }
    if NumpyArray.isOne(file) || EmbeddingFormat(path: path)?.needsCompanion == true {
      let file = try EmbeddingFile(path: path)
      format = file.format.rawValue
      embeddings = try rows(try file.rows(0..<file.count), "the array")
      (logits, names, hashes) = (nil, file.names, nil)
      evaluation = file.metadata.filter { Self.evaluationKeys.contains($0.key) }
      return
    }
    let contents = try Checkpoint.read(path: path)
    guard contents.format == .safetensors else {
      throw refuse("stored outputs must be a safetensors, .npy, .fbin or .fvecs file")
    }
    format = "safetensors"
    embeddings = try rows(
      contents[GraphOutput.normalizedEmbedding] ?? contents[GraphOutput.embedding], "the embedding")
    logits = try rows(contents[GraphOutput.logits], "'logits'")
    guard embeddings != nil || logits != nil else {
      throw refuse("it contains none of 'normalized_embedding', 'embedding' and 'logits'")
    }
    let count = embeddings?.count ?? logits?.count ?? 0
    guard count > 0 else { throw refuse("it has no rows") }
    guard logits?.count ?? count == count else {
      throw refuse("it has \(count) embeddings and \(logits?.count ?? 0) rows of logits")
    }
    func list(_ key: String) throws -> [String]? {
      guard let text = contents.metadata[key] else { return nil }
      guard let list = JSONDocument.strings(text), list.count == count else {
        throw refuse("its metadata '\(key)' is not a JSON array of \(count) strings, one for each row")
      }
      return list
    }
    names = try list("files")
    hashes = try list("sha256")?.map { $0.lowercased() }
    evaluation = contents.metadata.filter { Self.evaluationKeys.contains($0.key) }
  }

  /// How the images of two files became inputs in different ways, in a sentence; `nil` where they did not, or where the
  /// files do not say.
  func evaluationDifference(from other: OutputFile) -> String? {
    let differences = Self.differences(evaluation, other.evaluation)
    guard !differences.isEmpty else { return nil }
    return
      "\(path) and \(other.path) are of images with different preprocessing (\(differences.joined(separator: ", "))), "
      + "so they differ for that reason alone"
  }

  /// What two statements of how images became inputs differ in, as far as both say it. Whether images were turned
  /// upright is said only where they were, by files that say anything.
  static func differences(_ own: [String: String], _ others: [String: String]) -> [String] {
    evaluationKeys.compactMap { key in
      let unstated = key == "exif_orientation" && !own.isEmpty && !others.isEmpty ? "false" : nil
      guard let own = own[key] ?? unstated, let theirs = others[key] ?? unstated, own != theirs else { return nil }
      return "\(key) \(own) and \(theirs)"
    }
  }

  /// What a report calls a row: the image's name if there is one, or the start of its hash, or the row's number.
  func name(ofRow row: Int) -> String { names?[row] ?? hashes.map { String($0[row].prefix(16)) } ?? "row \(row)" }
}
