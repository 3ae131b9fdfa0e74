import Images
import Inference
import Synchronization

/// What the float network says of images as the evaluation protocol shows them, kept so that no image is decoded, and run
/// in float, twice. Bounded: what does not fit is computed anew.
final class ReferenceOutputs: Sendable {
  struct Entry: Sendable {
    let pixels: RGBImage
    let outputs: ImageOutputs

    var byteCount: Int { pixels.pixels.count + 4 * (outputs.embedding.count + outputs.logits.count) }
  }

  private struct State {
    var entries: [String: Entry] = [:]
    var byteCount = 0
  }

  private let state = Mutex(State())
  private let byteLimit: Int

  /// - Parameter sizes: of images, with a store each, that share the memory.
  init(sizes: Int = 1) { byteLimit = (64 << 20) / max(1, sizes) }

  /// By the image's path.
  subscript(path: String) -> Entry? { state.withLock { $0.entries[path] } }

  /// Keeps an entry, if there is room.
  func keep(_ entry: Entry, path: String) {
    state.withLock { state in
      guard state.entries[path] == nil, state.byteCount + entry.byteCount <= byteLimit else { return }
      state.entries[path] = entry
      state.byteCount += entry.byteCount
    }
  }
}
