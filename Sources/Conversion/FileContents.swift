import Images
import Pixels
import Threads

/// Reads the contents of image files where they are not decoded, or not only.
enum FileContents {
  /// Calls `body(index, bytes)` for each file on several threads. Files that are not images, and errors of `body` that
  /// the image is to blame for (`ImageError.isOfImage`), are left to the stage that decodes them.
  ///
  /// - Throws: `ImageError` for the first file that the system fails to read.
  static func forEach(
    _ files: [ImageFolder.File], threads: Int,
    _ body: (_ index: Int, _ bytes: [UInt8]) throws(ImageError) -> Void
  ) throws(ImageError) {
    let failures = SlotStore<ImageError>()
    ThreadTeam(count: max(1, min(threads, files.count))).forEach(files.count) { index, _ in
      do throws(ImageError) {
        try body(index, try ImageFile.read(files[index].path))
      } catch {
        if !error.isOfImage { failures[index] = error }
      }
    }
    if let failure = failures.inOrder.first { throw failure }
  }
}
