import Calibration
import Graphs
import Images
import Rounding
import Runtime
import Tensors
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
  ///   - repetitions: the number of copies of each file.
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
    let numbers = holds ? held.numbers : try numbers(sampledBy: inputs)
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

  /// The numbers of the images that a layer of `inputs` samples.
  private func numbers(sampledBy inputs: LayerInputs) throws -> [Int] {
    var shapesBySize: [Shape: [Shape?]] = [:]
    return try held.numbers.filter { number in
      guard let size = held[number]?.shape else { return false }
      let shapes = try shapesBySize[size] ?? graph.inferShapes(input: size)
      shapesBySize[size] = shapes
      return inputs.needs(image: number, shapes: shapes)
    }
  }

  /// The number of bytes that the values of all images take when evaluation has reached a node.
  private func byteCount(before index: Int) throws(GraphError) -> Int {
    var total = 0
    for images in Dictionary(grouping: held.inOrder, by: \.shape).values {
      total += try images[0].byteCount(in: graph, before: index) * images.count
    }
    return total
  }
}
