import Files
import Images
import Threads

/// Finds image files by the hash of their contents.
enum ContentIndex {
  /// The first of `files` with each of `hashes`, by that hash. Files that cannot be read are ignored.
  ///
  /// - Parameter hashes: the SHA-256 hashes to look for, in lower-case hexadecimal.
  static func files(
    of hashes: Set<String>, in files: [ImageFolder.File], threads: Int
  ) -> [String: ImageFolder.File] {
    let found = SlotStore<String>()
    ThreadTeam(count: max(1, min(threads, files.count))).forEach(files.count) { index, _ in
      guard let bytes = try? ImageFile.read(files[index].path) else { return }
      let hash = SHA256.hash(bytes).hex
      if hashes.contains(hash) { found[index] = hash }
    }
    return files.indices.reduce(into: [:]) { result, index in
      if let hash = found[index], result[hash] == nil { result[hash] = files[index] }
    }
  }
}
