/// The format of a file of embeddings. The raw value is its file extension, and the value of `quern embed --format`.
package enum EmbeddingFormat: String, Sendable, Hashable, CaseIterable {
  /// Named tensors with metadata, as `quern embed` writes them.
  case safetensors
  /// An array of NumPy [images, D].
  case npy
  /// The number of rows and that of dimensions, both uint32, and the rows in float32
  /// (github.com/harsha-simhadri/big-ann-benchmarks, "fbin").
  case fbin
  /// For each row its dimension as uint32, and the row in float32 (corpus-texmex.irisa.fr, "fvecs").
  case fvecs

  /// The format of a file with this extension, in any case; `nil` for others.
  package init?(fileExtension: String) { self.init(rawValue: fileExtension.lowercased()) }

  /// The format that the name of a file says; `nil` where its extension is none of theirs.
  package init?(path: String) {
    let name = path.split(separator: "/").last ?? ""
    // By bytes: a step backwards over flags goes to the first of them.
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else { return nil }
    self.init(fileExtension: String(name[name.utf8.index(after: dot)...]))
  }

  /// Whether a file has only numbers, so that the names of images are in another one.
  package var needsCompanion: Bool { self != .safetensors }

  /// The path of the JSON file with the names of the images, next to a file of numbers.
  package static func companion(of path: String) -> String { path + ".json" }
}
