import Files
import Images
import Pixels

/// Finds image files by the hash of their contents.
enum ContentIndex {
  /// The first of `files` with each of `hashes`, by that hash. Files that are not images are ignored.
  ///
  /// - Parameter hashes: the SHA-256 hashes to look for, in lower-case hexadecimal.
  /// - Throws: `ImageError` for the first file that the system fails to read.
  static func files(
    of hashes: Set<String>, in files: [ImageFolder.File], threads: Int
  ) throws(ImageError) -> [String: ImageFolder.File] {
    let found = SlotStore<String>()
    try FileContents.forEach(files, threads: threads) { index, bytes in
      let hash = SHA256.hash(bytes).hex
      if hashes.contains(hash) { found[index] = hash }
    }
    return files.indices.reduce(into: [:]) { result, index in
      if let hash = found[index], result[hash] == nil { result[hash] = files[index] }
    }
  }
}
