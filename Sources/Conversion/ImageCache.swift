import Images
import Synchronization

/// Decoded images of one conversion or verification, so that a file is read and decoded once for all stages that look at it.
///
/// Bounded: images that do not fit are decoded by each stage, and those that came first stay, because every stage goes
/// through a list from its beginning: of a list too long to fit, dropping those used longest ago would leave none that the
/// next stage finds. What a stage sees is the same with a cache and without.
package final class ImageCache: Sendable {
  private struct State {
    var images: [String: LoadedImage] = [:]
    var byteCount = 0
  }

  private let state = Mutex(State())
  private let byteLimit: Int

  /// - Parameter byteLimit: of pixels; about 120 photographs of 500 by 375 by default.
  package init(byteLimit: Int = 64 << 20) { self.byteLimit = byteLimit }

  /// Bytes of pixels that are held.
  package var byteCount: Int { state.withLock(\.byteCount) }

  /// The image of a file, decoded unless it is held. From any thread.
  ///
  /// - Parameter isLast: whether no stage after this one needs it, so that it is held no longer.
  /// - Throws: `ImageError` where the file cannot be read or decoded; that is not held.
  package func image(_ file: ImageFolder.File, isLast: Bool = false) throws(ImageError) -> LoadedImage {
    let held = state.withLock { state in
      guard isLast else { return state.images[file.path] }
      let image = state.images.removeValue(forKey: file.path)
      state.byteCount -= image?.pixels.pixels.count ?? 0
      return image
    }
    if let held { return LoadedImage(file, like: held) }
    let image = try LoadedImage(file)
    guard !isLast else { return image }
    let bytes = image.pixels.pixels.count
    state.withLock { state in
      guard state.images[file.path] == nil, state.byteCount + bytes <= byteLimit else { return }
      state.images[file.path] = image
      state.byteCount += bytes
    }
    return image
  }

  /// Lets go of all images.
  package func removeAll() { state.withLock { $0 = State() } }
}
