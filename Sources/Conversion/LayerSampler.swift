import Calibration
import Graphs
import Images
import Rounding
import Runtime
import Threads

/// Runs sample images through a quantised graph, one part of the graph after another, and records the inputs of its
/// layers. The values between two parts are kept in memory, so that no node runs twice, unless they take too much
/// memory.
final class LayerSampler {
  private let graph: Graph
  private let threads: Int
  /// The values before the next part, by the number of the image.
  private let held = SlotStore<HeldValues>()
  private var position = 0

  /// The maximum number of bytes that are kept between two parts.
  private static let byteLimit = 192 << 20

  /// - Parameters:
  ///   - graph: the quantised graph.
  ///   - files: the images. Broken ones are left out here; calibration reports them.
  ///   - repetitions: the number of augmented copies of each file.
  ///   - augmentations: one for each size; copies alternate between them.
  ///   - threads: how many threads run, each on its own image.
  ///   - cache: decoded images, shared with other stages.
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

  /// Records what the nodes of `inputs` read from all images. Each call must continue where the previous one ended.
  ///
  /// - Parameter advance: called after each image, from any thread.
  func record(_ inputs: LayerInputs, advance: @Sendable () -> Void) throws {
    let end = inputs.nodes.upperBound
    let executable = try Executable(graph, nodes: position..<end, threads: threads)
    let sessions = WorkerLocal { Session(executable) }
    let holds = try end < graph.nodes.count && byteCount(before: end) <= Self.byteLimit
    // Where no values are kept for the next part, only images that these layers sample need to run.
    let numbers =
      holds
      ? held.numbers
      : try held.numbers.filter { number in
        guard let image = held[number] else { return false }
        return inputs.needs(image: number, shapes: try graph.inferShapes(input: image.shape))
      }
    let failures = SlotStore<GraphError>()
    ThreadTeam(count: min(threads, numbers.count)).forEach(numbers.count) { position, worker in
      let number = numbers[position]
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
