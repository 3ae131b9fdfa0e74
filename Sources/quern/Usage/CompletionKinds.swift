import ArgumentParser

/// What shells complete the arguments of the tool with. Folders are always offered, too, as files are in them.
extension CompletionKind {
  private static let checkpoints = ["pth", "pt", "tar", "bin", "ckpt", "onnx", "safetensors", "json"]
  private static let outputs = ["safetensors", "npy", "fbin", "fvecs"]

  static var package: CompletionKind { .file(extensions: ["quern"]) }
  static var checkpoint: CompletionKind { .file(extensions: checkpoints) }
  /// A package or a checkpoint.
  static var model: CompletionKind { .file(extensions: ["quern"] + checkpoints) }
  /// An image, or a folder of images.
  static var images: CompletionKind { .file(extensions: ["jpg", "jpeg", "png", "webp", "JPG", "JPEG", "PNG", "WEBP"]) }
  /// Embeddings and logits that were stored.
  static var storedOutputs: CompletionKind { .file(extensions: outputs) }
  static var plan: CompletionKind { .file(extensions: ["json"]) }
  static var report: CompletionKind { .file(extensions: ["json", "html", "md", "xml", "txt"]) }
  static var text: CompletionKind { .file(extensions: ["txt", "csv", "json", "yaml", "yml"]) }
  static var key: CompletionKind { .file(extensions: ["pem", "key", "pub"]) }
}
