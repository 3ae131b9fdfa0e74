import Files
import Images
import Pixels
import Threads

/// The decoded images of one conversion or verification, so that a file is read and decoded once for all stages that
/// use it.
///
/// The cache is bounded. Images that do not fit are decoded by each stage, and those that came first stay: every stage
/// goes through its list from the beginning, so that with a list too long to fit, evicting the least recently used
/// images would leave none that the next stage can use. The cache does not change the images that a stage gets.
package final class ImageCache: Sendable {
  private struct State {
    var images: [ExactName: LoadedImage] = [:]
    var byteCount = 0
  }

  private let state = Mutex(State())
  private let byteLimit: Int

  /// - Parameter byteLimit: the maximum size of all pixels in bytes; by default about 120 photographs of 500 by 375
  ///   pixels.
  package init(byteLimit: Int = 64 << 20) { self.byteLimit = byteLimit }

  /// The size of all cached pixels in bytes.
  package var byteCount: Int { state.withLock(\.byteCount) }

  /// The image of a file, from the cache or decoded. May be called from any thread.
  ///
  /// - Parameter isLast: whether no later stage needs the image, so that the cache drops it.
  /// - Throws: `ImageError` where the file cannot be read or decoded; failures are not cached.
  package func image(_ file: ImageFolder.File, isLast: Bool = false) throws(ImageError) -> LoadedImage {
    let path = ExactName(file.path)
    let cached = state.withLock { state in
      guard isLast else { return state.images[path] }
      let image = state.images.removeValue(forKey: path)
      state.byteCount -= image?.pixels.pixels.count ?? 0
      return image
    }
    if let cached { return LoadedImage(file, like: cached) }
    let image = try LoadedImage(file)
    guard !isLast else { return image }
    let bytes = image.pixels.pixels.count
    state.withLock { state in
      guard state.images[path] == nil, state.byteCount + bytes <= byteLimit else { return }
      state.images[path] = LoadedImage(file, like: image)
      state.byteCount += bytes
    }
    return image
  }

  /// Drops all images.
  package func removeAll() { state.withLock { $0 = State() } }
}
