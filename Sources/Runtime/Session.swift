import Graphs
import Operators
import Synchronization
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
    for arena in arenas { try arena.reserve(single.memory.byteCount, for: image) }
    let results = Mutex([[String: Tensor]?](repeating: nil, count: shape.batch))
    team.forEach(spread) { index, worker in
      let outputs = run(single, arenas[worker], alone, image, images: index..<index + 1, nil, fillInput)
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
    try arenas[0].reserve(plan.memory.byteCount, for: shape)
    return run(plan, arenas[0], team, shape, images: images, observer, fillInput)
  }

  private func run(
    _ plan: Plan, _ arena: Arena, _ team: ThreadTeam, _ shape: Shape, images: Range<Int>, _ observer: Observer?,
    _ fillInput: (_ image: Int, UnsafeMutableRawBufferPointer) -> Void
  ) -> [String: Tensor] {
    guard let memory = ValueMemory(plan, arena, executable.graph) else { return [:] }
    let graph = executable.graph
    memory.writeMargin(of: graph.input)
    let input = memory.bytes(of: graph.input)
    let imageSize = input.count / images.count
    for (index, image) in images.enumerated() {
      fillInput(image, UnsafeMutableRawBufferPointer(rebasing: input[index * imageSize..<(index + 1) * imageSize]))
    }
    observer?(graph.input, shape, UnsafeRawBufferPointer(input))
    evaluateNodes(plan, memory, team, observer)
    return outputs(plan, memory)
  }

  /// Evaluates the prepared nodes one after another.
  func evaluateNodes(_ plan: Plan, _ memory: ValueMemory, _ team: ThreadTeam, _ observer: Observer?) {
    for (index, op) in zip(executable.nodes, plan.operators) {
      let node = executable.graph.nodes[index]
      memory.writeMargin(of: node.output)
      let buffers = OperatorBuffers(
        inputs: node.inputs.map { UnsafeRawPointer(memory.address(of: $0)) }, output: memory.address(of: node.output),
        scratch: memory.scratch)
      op.run(buffers, team: team)
      if let observer, let shape = plan.shapes[node.output.index] {
        observer(node.output, shape, UnsafeRawBufferPointer(memory.bytes(of: node.output)))
      }
    }
  }

  private func outputs(_ plan: Plan, _ memory: ValueMemory) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for output in executable.graph.outputs {
      guard let shape = plan.shapes[output.value.index] else { continue }
      let source = memory.bytes(of: output.value)
      switch executable.graph.format(of: output.value) {
      case .float32: result[output.name] = Tensor(Array(source.bindMemory(to: Float.self)), shape: shape)
      case .uint8(let parameters), .uint8WithRemainder(let parameters):
        let levels = source.prefix(shape.elementCount)
        result[output.name] = Tensor(levels.map { parameters.dequantize($0) }, shape: shape)
      }
    }
    return result
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
  package var arenaByteCount: Int { arenas.reduce(0) { $0 + $1.memory.count } }

  private struct PlanKey: Hashable {
    let shape: Shape
    let workers: Int
  }

  /// The plan of all prepared nodes for one input shape. Immutable, and shared by threads that have an arena each.
  struct Plan {
    /// The shape of each value, indexed by `ValueID.index`.
    let shapes: [Shape?]
    /// One for each prepared node.
    let operators: [any PlannedOperator]
    let memory: MemoryPlan
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
      shapes: shapes, operators: operators,
      memory: MemoryPlan(graph: graph, nodes: executable.nodes, shapes: shapes, scratchByteCount: scratch))
    if planOrder.count == Self.planLimit { plans[planOrder.removeFirst()] = nil }
    plans[key] = plan
    planOrder.append(key)
    return plan
  }
}

/// The memory for the activations and scratch of one evaluation at a time.
final class Arena {
  private var block: AlignedBlock?
  var memory: UnsafeMutableRawBufferPointer { block?.memory ?? UnsafeMutableRawBufferPointer(start: nil, count: 0) }

  func reserve(_ byteCount: Int, for shape: Shape) throws(GraphError) {
    guard memory.count < byteCount else { return }
    // The old block is freed before the larger one is allocated.
    block = nil
    block = try AlignedBlock(byteCount: byteCount, for: "activations of an input of \(shape)")
  }
}

/// The addresses of values in an arena.
struct ValueMemory {
  private let base: UnsafeMutableRawPointer
  private let plan: Session.Plan
  private let graph: Graph

  /// `nil` where the arena has not been reserved.
  init?(_ plan: Session.Plan, _ arena: Arena, _ graph: Graph) {
    guard let base = arena.memory.baseAddress else { return nil }
    (self.base, self.plan, self.graph) = (base, plan, graph)
  }

  var scratch: UnsafeMutableRawPointer { base + plan.memory.scratchOffset }

  func address(of value: ValueID) -> UnsafeMutableRawPointer {
    guard let offset = plan.memory.offsets[value.index] else {
      preconditionFailure("value \(value.index) has no memory in this segment")
    }
    return base + offset
  }

  private func shape(of value: ValueID) -> Shape {
    guard let shape = plan.shapes[value.index] else { preconditionFailure("value \(value.index) has no shape") }
    return shape
  }

  /// All planes of a value.
  func bytes(of value: ValueID) -> UnsafeMutableRawBufferPointer {
    let count = graph.format(of: value).byteCount(elementCount: shape(of: value).elementCount)
    return UnsafeMutableRawBufferPointer(start: address(of: value), count: count)
  }

  /// Writes the margin before a value, which other values that shared these bytes may have overwritten.
  func writeMargin(of value: ValueID) {
    ActivationLayout.writeMargin(before: address(of: value), shape: shape(of: value), format: graph.format(of: value))
  }
}
