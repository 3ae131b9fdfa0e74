import Files
import Images
import Threads

/// Finds the image files of some contents.
enum ContentIndex {
  /// The first file of each content, by the SHA-256 of its bytes in hexadecimal. Files that cannot be read have none.
  ///
  /// - Parameter hashes: those to look for.
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
