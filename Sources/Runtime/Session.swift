import Graphs
import Operators
import Tensors
import Threads

/// Runs an executable for one caller at a time. A session has its own memory, planned once for each input shape.
///
/// The images of a batch are spread over the team's threads, one image per thread: threads share no maps and need not
/// wait for each other, and the maps between an image's layers stay in the core's cache. A single image is evaluated by
/// all threads together, operator by operator. Both give the same bits.
///
/// Not thread-safe: use one session per thread.
package final class Session {
  /// The graph that the session runs.
  package let executable: Executable
  /// The threads that evaluate.
  package let team: ThreadTeam
  /// The team of a thread that evaluates an image by itself. It has no state, so threads may share it.
  private let alone = ThreadTeam(count: 1)
  private var plans: [PlanKey: Plan] = [:]
  private var planOrder: [PlanKey] = []
  /// The last batch whose shapes were checked.
  private var checkedBatch: Shape?
  /// One for each thread of the team.
  let arenas: [Arena]

  /// The number of input shapes whose plans are kept. A run over images of many sizes plans again rather than keep all
  /// plans in memory.
  private static let planLimit = 8

  /// A session without memory; the first evaluation reserves it.
  package init(_ executable: Executable, team: ThreadTeam = ThreadTeam(count: 1)) {
    self.executable = executable
    self.team = team
    arenas = (0..<team.count).map { _ in Arena() }
  }

  /// Receives one value as it is computed: float32 NHWC or NC, or uint8, followed by its remainders where it has them.
  /// The bytes are valid during the call only.
  package typealias Observer = (_ value: ValueID, _ shape: Shape, _ bytes: UnsafeRawBufferPointer) -> Void

  /// Evaluates the graph on a batch of images.
  ///
  /// - Parameters:
  ///   - shape: [N, H, W, 3].
  ///   - observer: Called with the input and after every node, while the value is in cache. With an observer, the batch
  ///     is evaluated as a whole.
  ///   - fillInput: Writes the elements of one image: HWC, normalised float32 or uint8 pixels, by the graph's input
  ///     format. It is called from several threads.
  /// - Returns: The outputs by name, float32.
  /// - Throws: `GraphError.structure` where only a segment is prepared; `.inputSize` (inside `.at` where it comes from
  ///   an operator) where the network cannot take this size, or the memory does not suffice.
  package func run(
    shape: Shape, observer: Observer? = nil, fillInput: (_ image: Int, UnsafeMutableRawBufferPointer) -> Void
  ) throws(GraphError) -> [String: Tensor] {
    guard executable.nodes == executable.graph.nodes.indices else {
      throw .structure("only a segment of this graph is prepared")
    }
    guard shape.rank == 4, let count = shape.checkedElementCount, 1...Shape.activationLimit ~= count else {
      throw .inputSize("an input of \(shape) is not a batch of images, or is too large")
    }
    if observer != nil || shape.batch == 1 {
      return try evaluate(images: 0..<shape.batch, of: shape, workers: team.count, observer, fillInput)
    }
    if shape != checkedBatch {
      _ = try executable.graph.inferShapes(input: shape)
      checkedBatch = shape
    }
    let image: Shape = [1, shape.height, shape.width, shape.channels]
    // Where fewer images than threads are left, all threads evaluate each of them together.
    let spread = team.count > 1 ? shape.batch / team.count * team.count : shape.batch
    let single = try plan(for: image, workers: 1)
    let evaluations = try arenas.map { arena throws(GraphError) in
      try arena.evaluation(of: single, executable, team: alone)
    }
    let results = Mutex([[String: Tensor]?](repeating: nil, count: shape.batch))
    team.forEach(spread) { index, worker in
      let outputs = run(evaluations[worker], images: index..<index + 1, nil, fillInput)
      results.withLock { $0[index] = outputs }
    }
    for index in spread..<shape.batch {
      let outputs = try evaluate(images: index..<index + 1, of: image, workers: team.count, nil, fillInput)
      results.withLock { $0[index] = outputs }
    }
    return Self.joined(results.withLock { $0.compactMap { $0 } })
  }

  /// Evaluates some images as one batch, with all threads on each operator.
  private func evaluate(
    images: Range<Int>, of shape: Shape, workers: Int, _ observer: Observer?,
    _ fillInput: (_ image: Int, UnsafeMutableRawBufferPointer) -> Void
  ) throws(GraphError) -> [String: Tensor] {
    let plan = try plan(for: shape, workers: workers)
    return run(try arenas[0].evaluation(of: plan, executable, team: team), images: images, observer, fillInput)
  }

  private func run(
    _ evaluation: Evaluation, images: Range<Int>, _ observer: Observer?,
    _ fillInput: (_ image: Int, UnsafeMutableRawBufferPointer) -> Void
  ) -> [String: Tensor] {
    evaluation.run(observer: observer) { input in
      let imageSize = input.count / images.count
      for (index, image) in images.enumerated() {
        fillInput(image, UnsafeMutableRawBufferPointer(rebasing: input[index * imageSize..<(index + 1) * imageSize]))
      }
    }
    return evaluation.outputs
  }

  /// Reserves the memory for evaluating images of one size, one at a time.
  ///
  /// - Parameters:
  ///   - height: The height of the input in pixels.
  ///   - width: The width of the input in pixels.
  ///   - worker: The worker of the team that evaluates images by itself, while others evaluate other images; `nil`
  ///     where all threads evaluate each image together. Evaluations of the same worker, and of worker 0 and `nil`,
  ///     share memory, so that only one of them may run at a time.
  /// - Throws: `GraphError.structure` where only a segment is prepared; `.inputSize` (inside `.at` where it comes from
  ///   an operator) where the network cannot take this size; `.memory` where the memory does not suffice.
  package func evaluation(height: Int, width: Int, worker: Int? = nil) throws(GraphError) -> Evaluation {
    guard executable.nodes == executable.graph.nodes.indices else {
      throw .structure("only a segment of this graph is prepared")
    }
    let shape: Shape = [1, height, width, 3]
    guard let worker else {
      return try arenas[0].evaluation(of: try plan(for: shape, workers: team.count), executable, team: team)
    }
    return try arenas[worker].evaluation(of: try plan(for: shape, workers: 1), executable, team: alone)
  }

  /// Joins the outputs of single images to those of their batch.
  private static func joined(_ images: [[String: Tensor]]) -> [String: Tensor] {
    guard let first = images.first else { return [:] }
    return first.mapValues { $0.shape }.reduce(into: [:]) { result, output in
      let rows = images.flatMap { $0[output.key]?.elements(as: Float.self) ?? [] }
      result[output.key] = Tensor(rows, shape: Shape([images.count] + output.value.dimensions.dropFirst()))
    }
  }

  /// The number of bytes that are reserved for activations and scratch memory.
  package var arenaByteCount: Int { arenas.reduce(0) { $0 + $1.byteCount } }

  private struct PlanKey: Hashable {
    let shape: Shape
    let workers: Int
  }

  /// The plan of all prepared nodes for one input shape. Immutable, and shared by threads that have an arena each.
  final class Plan: Sendable {
    /// The shape of the input.
    let input: Shape
    /// The shape of each value, indexed by `ValueID.index`.
    let shapes: [Shape?]
    /// One for each prepared node.
    let operators: [any PlannedOperator]
    let memory: MemoryPlan
    /// The number of bytes of the operators' tables of offsets.
    let tableByteCount: Int

    init(
      input: Shape, shapes: [Shape?], operators: [any PlannedOperator], memory: MemoryPlan, tableByteCount: Int
    ) {
      (self.input, self.shapes, self.operators, self.memory) = (input, shapes, operators, memory)
      self.tableByteCount = tableByteCount
    }
  }

  func plan(for shape: Shape, workers: Int) throws(GraphError) -> Plan {
    let key = PlanKey(shape: shape, workers: workers)
    if let cached = plans[key] { return cached }
    let graph = executable.graph
    let shapes = try graph.inferShapes(input: shape)
    let context = PlanningContext(workers: workers)
    var operators: [any PlannedOperator] = []
    for index in executable.nodes {
      let node = graph.nodes[index]
      guard let output = shapes[node.output.index] else { throw .structure("the shape of '\(node.name)' is unknown") }
      do throws(GraphError) {
        operators.append(
          try executable.prepared(index).plan(
            inputs: node.inputs.compactMap { shapes[$0.index] }, output: output, context: context))
      } catch {
        throw .at(node: node.name, error)
      }
    }
    let scratch = operators.map(\.scratchByteCount).max() ?? 0
    let plan = Plan(
      input: shape, shapes: shapes, operators: operators,
      memory: MemoryPlan(graph: graph, nodes: executable.nodes, shapes: shapes, scratchByteCount: scratch),
      tableByteCount: context.tableByteCount)
    if planOrder.count == Self.planLimit, let oldest = plans.removeValue(forKey: planOrder.removeFirst()) {
      for arena in arenas { arena.forget(oldest) }
    }
    plans[key] = plan
    planOrder.append(key)
    return plan
  }
}
