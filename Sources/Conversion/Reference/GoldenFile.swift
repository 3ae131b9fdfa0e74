import Checkpoints
import Fidelity
import Files
import FoundationEssentials
import Graphs
import ModelImport
import Pixels
import Tensors

/// The outputs of a framework for a set of images, as the programs of 'quern golden' write them (formats/golden.md): a
/// safetensors file with `normalized_embedding` or `embedding` [n, D], `logits` [n, classes], and the framework's
/// `input` [n, 3, h, w]. Its metadata contains the hash of each image's file, and the preprocessing.
package struct GoldenFile: Sendable {
  let path: String
  /// The framework's name and version.
  let framework: String
  /// The SHA-256 of each row's image file, in lower-case hexadecimal.
  let hashes: [String]
  /// [n, D], normalised or not, as the file has them.
  let embeddings: FloatRows?
  let hasNormalizedEmbeddings: Bool
  /// [n, classes].
  let logits: FloatRows?
  /// What the framework's network was given, [n, 3, height, width].
  let input: Tensor?
  let stated: StatedPreprocessing

  /// What the file states about the preprocessing; `nil` where it states nothing.
  struct StatedPreprocessing: Sendable {
    var size: Int?
    var crop: CropProtocol?
    var filter: ResizeFilter?
    var cropRatio: Double?
    var normalization: Preprocessing?
    var channelOrder: ChannelOrder?
    var turnsUpright: Bool?
  }

  /// - Throws: `CheckpointError` if the file cannot be read; `ConversionError.wrongKind` if it is not a golden file or
  ///   contradicts itself.
  package init(path: String) throws { try self.init(try CheckpointOutline.open(path: path)) }

  /// As above, for a file that is open.
  package init(_ outline: CheckpointOutline) throws {
    let path = outline.path
    let file = try outline.defaultCheckpoint()
    func refuse(_ problem: String) -> ConversionError {
      .wrongKind("\(path): \(problem); 'quern golden' prints a program that writes such files")
    }
    guard file.format == .safetensors else { throw refuse("a golden file must be a safetensors file") }
    guard let text = file.metadata["sha256"],
      let hashes = JSONDocument.strings(text)
    else { throw refuse("its metadata lacks 'sha256', a JSON array of the hashes of the rows' image files") }
    guard hashes.allSatisfy({ $0.utf8.count == 64 && $0.allSatisfy(\.isHexDigit) }) else {
      throw refuse("its 'sha256' contains something that is not a SHA-256 in hexadecimal")
    }
    func rows(_ name: String) throws -> FloatRows? {
      guard let tensor = file[name] else { return nil }
      guard let rows = FloatRows(tensor), rows.width > 0 else {
        throw refuse("'\(name)' is \(tensor.elementType) \(tensor.shape), not a row of floats for each image")
      }
      guard rows.count == hashes.count else {
        throw refuse("'\(name)' has \(rows.count) rows for \(hashes.count) images")
      }
      return rows
    }
    let normalized = try rows(GraphOutput.normalizedEmbedding)
    self.path = path
    self.hashes = hashes.map { $0.lowercased() }
    hasNormalizedEmbeddings = normalized != nil
    embeddings = try normalized ?? rows(GraphOutput.embedding)
    logits = try rows(GraphOutput.logits)
    input = file["input"]
    guard embeddings != nil || logits != nil else {
      throw refuse("it contains none of 'normalized_embedding', 'embedding' and 'logits'")
    }
    guard !hashes.isEmpty else { throw refuse("it does not contain the outputs of any image") }
    if let input {
      guard input.shape.rank == 4, input.shape[0] == hashes.count, input.shape[1] == 3, input.elementCount > 0,
        input.elementType.isFloatingPoint
      else {
        throw refuse("'input' is \(input.elementType) \(input.shape), not \(hashes.count) x 3 x height x width floats")
      }
    }
    framework =
      file.metadata["framework"].flatMap { $0.isEmpty ? nil : $0 } ?? "a framework that the file does not name"
    stated = try StatedPreprocessing(file.metadata, refuse)
  }
}

extension GoldenFile.StatedPreprocessing {
  fileprivate init(_ metadata: [String: String], _ refuse: (String) -> ConversionError) throws {
    func value<Value>(_ key: String, _ parse: (String) -> Value?) throws -> Value? {
      guard let text = metadata[key] else { return nil }
      guard let value = parse(text) else { throw refuse("its metadata '\(key)' is '\(text.prefix(80))'") }
      return value
    }
    size = try value("size") { Int($0).flatMap { (1...8192).contains($0) ? $0 : nil } }
    crop = try value("crop") { CropProtocol(rawValue: $0) }
    filter = try value("resize") { ResizeFilter(rawValue: $0) }
    cropRatio = try value("crop_ratio") {
      Double($0).flatMap { EvaluationProtocol.cropRatios.contains($0) ? $0 : nil }
    }
    channelOrder = try value("channel_order") { ChannelOrder(rawValue: $0) }
    turnsUpright = try value("exif_orientation") { Bool($0) }
    let (mean, std) = (try value("mean", Self.triple), try value("std", Self.triple))
    if let mean, let std, std.allSatisfy({ $0 > 0 }) { normalization = Preprocessing(mean: mean, std: std) }
  }

  /// Three finite numbers, as a JSON array or separated by commas.
  private static func triple(_ text: String) -> [Float]? {
    let values = text.split { ",[] ".contains($0) }.compactMap { Float($0) }
    return values.count == 3 && values.allSatisfy(\.isFinite) ? values : nil
  }
}
