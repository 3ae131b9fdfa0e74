import Files
import Inference
import Pixels
import Threads

/// The pixels of images after resizing and cropping, and the float network's outputs for them, cached so that no image
/// is decoded and run in float twice. The cache is bounded; what does not fit is computed again.
final class ReferenceOutputs: Sendable {
  struct Entry: Sendable {
    let pixels: RGBImage
    let outputs: ImageOutputs

    var byteCount: Int { pixels.pixels.count + 4 * (outputs.embedding.count + outputs.logits.count) }
  }

  private struct State {
    var entries: [ExactName: Entry] = [:]
    var byteCount = 0
  }

  private let state = Mutex(State())
  private let byteLimit: Int

  /// - Parameter sizes: how many caches, one for each size, share the memory.
  init(sizes: Int = 1) { byteLimit = (64 << 20) / max(1, sizes) }

  /// The entry of an image, by its path; `nil` where it is not cached.
  subscript(path: String) -> Entry? { state.withLock { $0.entries[ExactName(path)] } }

  /// Caches an entry, if there is room.
  func keep(_ entry: Entry, path: String) {
    let name = ExactName(path)
    state.withLock { state in
      guard state.entries[name] == nil, state.byteCount + entry.byteCount <= byteLimit else { return }
      state.entries[name] = entry
      state.byteCount += entry.byteCount
    }
  }
}
