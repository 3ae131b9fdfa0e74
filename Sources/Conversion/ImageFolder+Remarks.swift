import Images
import Pixels

extension ImageFolder {
  /// Lists a folder, and warns of images in it that are not decoded.
  ///
  /// - Throws: `ImageError`, as `init(path:)` does.
  init(path: String, progress: any ProgressObserver) throws(ImageError) {
    self = try ImageFolder(path: path)
    if let others = ImageError.undecoded(otherFormats) { progress.warn("\(path): left out \(others)") }
  }
}
