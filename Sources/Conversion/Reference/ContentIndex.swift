import Files
import Images
import Pixels
import Threads

/// Finds image files by the hash of their contents.
enum ContentIndex {
  /// The first of `files` with each of `hashes`, by that hash. Files that are not images are ignored.
  ///
  /// - Parameter hashes: the SHA-256 hashes to look for, in lower-case hexadecimal.
  /// - Throws: `ImageError` for the first file that the system fails to read.
  static func files(
    of hashes: Set<String>, in files: [ImageFolder.File], threads: Int
  ) throws(ImageError) -> [String: ImageFolder.File] {
    let (found, failures) = (SlotStore<String>(), SlotStore<ImageError>())
    ThreadTeam(count: max(1, min(threads, files.count))).forEach(files.count) { index, _ in
      do throws(ImageError) {
        let hash = SHA256.hash(try ImageFile.read(files[index].path)).hex
        if hashes.contains(hash) { found[index] = hash }
      } catch {
        if !error.isOfImage { failures[index] = error }
      }
    }
    if let failure = failures.inOrder.first { throw failure }
    return files.indices.reduce(into: [:]) { result, index in
      if let hash = found[index], result[hash] == nil { result[hash] = files[index] }
    }
  }
}
