import Random

extension ImageFile {
  /// The key of an image's random augmentations: the XXH64 of the file's bytes.
  ///
  /// As it depends on the content and not on the path, an image keeps its augmentations when it is renamed, when its
  /// folder is moved or reached by another path, and when other images are added or removed.
  package static func key(ofContent bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBytes { XXH64.hash($0) }
  }
}
