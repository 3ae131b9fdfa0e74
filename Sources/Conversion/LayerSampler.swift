import Calibration
import Graphs
import Images
import Rounding
import Runtime
import Threads

/// Lets the layers of a quantised graph read sample images, one part of the graph after another. What a part makes of an
/// image is held for the next, so that no node is run twice, unless that takes too much memory.
final class LayerSampler {
  private let graph: Graph
  private let threads: Int
  /// By the number of the image.
  private let held = SlotStore<HeldValues>()
  private var position = 0

  /// Bytes that are held between two parts, at most.
  private static let byteLimit = 192 << 20

  /// - Parameters:
  ///   - repetitions: augmented copies of each file.
  ///   - augmentations: of the sizes that copies take turns in.
  ///   - threads: that work on one image each.
  init(
    _ graph: Graph, _ files: [ImageFolder.File], repetitions: Int, _ augmentations: [Augmentation], threads: Int,
    cache: ImageCache? = nil
  ) throws {
    self.graph = graph
    self.threads = threads
    let schedule = SizeSchedule(sizes: augmentations.count)
    try ImageJob.augmenting(files, repetitions: repetitions, augmentations, threads: threads, cache: cache) {
      [held] pass, _, image, _ in
      _ = try graph.inferShapes(input: [1, image.height, image.width, 3])
      held[schedule.number(ofPass: pass, of: files.count * repetitions)] = HeldValues(
        input: image.pixels, height: image.height, width: image.width, of: graph)
    }
  }

  /// Shows the nodes of `inputs` all images. Parts must follow one another.
  ///
  /// - Parameter advance: called after each image that is run, from any thread.
  func record(_ inputs: LayerInputs, advance: @Sendable () -> Void) throws {
    let end = inputs.nodes.upperBound
    let executable = try Executable(graph, nodes: position..<end, threads: threads)
    let sessions = WorkerLocal { Session(executable) }
    let holds = try end < graph.nodes.count && byteCount(before: end) <= Self.byteLimit
    // Images are only run for the layers' sake where nothing of them is held.
    let numbers =
      holds
      ? held.numbers
      : try held.numbers.filter { number in
        guard let image = held[number] else { return false }
        return inputs.needs(image: number, shapes: try graph.inferShapes(input: image.shape))
      }
    let failures = SlotStore<GraphError>()
    ThreadTeam(count: min(threads, numbers.count)).forEach(numbers.count) { place, worker in
      let number = numbers[place]
      do throws(GraphError) {
        guard let image = held[number] else { return }
        let next = try sessions[worker].resume(image, observer: inputs.observer(image: number))
        if holds { held[number] = next }
      } catch {
        failures[number] = error
      }
      advance()
    }
    if let failure = failures.inOrder.first { throw failure }
    if holds { position = end }
    if end == graph.nodes.count { held.removeAll() }
  }

  private func byteCount(before index: Int) throws(GraphError) -> Int {
    var total = 0
    for image in held.inOrder { total += try image.byteCount(in: graph, before: index) }
    return total
  }
}
