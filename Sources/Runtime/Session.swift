import Glibc
import Graphs
import Kernels
import Operators
import Tensors

/// Runs an executable on one thread at a time with memory of its own, planned once for each input shape.
///
/// Not thread-safe: give each thread a session. A session with a team of several threads splits each operator; sessions
/// of one thread each, on images of their own, use cores better where there are many images. Both give the same bits.
public final class Session {
  public let executable: Executable
  public let team: ThreadTeam
  private var plans: [Shape: Plan] = [:]
  private var planOrder: [Shape] = []
  private var arena = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  /// Plans kept for input shapes met before; a run over images of many sizes plans anew rather than hoard memory.
  private static let planLimit = 8

  public init(_ executable: Executable, team: ThreadTeam = ThreadTeam(count: 1)) {
    self.executable = executable
    self.team = team
  }

  deinit { free(arena.baseAddress) }

  /// One value as it is computed: float32 NHWC or NC, or uint8, with its remainders behind it where it has them.
  public typealias Observer = (_ value: ValueID, _ shape: Shape, _ bytes: UnsafeRawBufferPointer) -> Void

  /// Evaluates the graph on a batch whose elements, NHWC float32 or uint8 pixels as the graph's input format says,
  /// `fillInput` writes.
  ///
  /// - Parameter observer: called with the input and after every node, while the value is in cache.
  /// - Returns: the outputs by name, float32.
  /// - Throws: `GraphError.inputSize` (inside `.at` where an operator refuses it) where the network cannot take this size,
  ///   or the memory does not suffice.
  public func run(
    shape: Shape, observer: Observer? = nil, fillInput: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(GraphError) -> [String: Tensor] {
    let plan = try plan(for: shape)
    try reserve(plan.memory.byteCount, for: shape)
    guard let base = arena.baseAddress else { return [:] }
    let graph = executable.graph
    let address = { (value: ValueID) in base + (plan.memory.offsets[value.index] ?? 0) }
    let bytes = { (value: ValueID) -> UnsafeMutableRawBufferPointer in
      let count = graph.format(of: value).byteCount(elementCount: plan.shapes[value.index]?.elementCount ?? 0)
      return UnsafeMutableRawBufferPointer(start: address(value), count: count)
    }

    writeMargin(of: graph.input, plan, at: address(graph.input))
    fillInput(bytes(graph.input))
    observer?(graph.input, shape, UnsafeRawBufferPointer(bytes(graph.input)))
    for (index, node) in graph.nodes.enumerated() {
      writeMargin(of: node.output, plan, at: address(node.output))
      let buffers = OperatorBuffers(
        inputs: node.inputs.map { UnsafeRawPointer(address($0)) }, output: address(node.output),
        scratch: base + plan.memory.scratchOffset)
      plan.operators[index].run(buffers, team: team)
      if let observer, let shape = plan.shapes[node.output.index] {
        observer(node.output, shape, UnsafeRawBufferPointer(bytes(node.output)))
      }
    }
    return outputs(plan, bytes)
  }

  private func outputs(_ plan: Plan, _ bytes: (ValueID) -> UnsafeMutableRawBufferPointer) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for output in executable.graph.outputs {
      guard let shape = plan.shapes[output.value.index] else { continue }
      let source = bytes(output.value)
      switch executable.graph.format(of: output.value) {
      case .float32: result[output.name] = Tensor(Array(source.bindMemory(to: Float.self)), shape: shape)
      case .uint8(let parameters), .uint8WithRemainder(let parameters):
        let levels = source.prefix(shape.elementCount)
        result[output.name] = Tensor(levels.map { parameters.dequantize($0) }, shape: shape)
      }
    }
    return result
  }

  /// Bytes of activations and scratch held at the moment.
  public var arenaByteCount: Int { arena.count }

  /// Fills the margin before a uint8 map with its zero point; other values that had these bytes may have changed them.
  private func writeMargin(of value: ValueID, _ plan: Plan, at address: UnsafeMutableRawPointer) {
    let format = executable.graph.format(of: value)
    guard let parameters = format.quantization, let shape = plan.shapes[value.index] else { return }
    let margin = ActivationLayout.marginByteCount(shape: shape, format: format)
    (address - margin).initializeMemory(as: UInt8.self, repeating: parameters.zeroPoint, count: margin)
  }

  private struct Plan {
    let shapes: [Shape?]
    let operators: [any PlannedOperator]
    let memory: MemoryPlan
  }

  private func plan(for shape: Shape) throws(GraphError) -> Plan {
    if let known = plans[shape] { return known }
    guard shape.rank == 4, let count = shape.checkedElementCount, 1...Shape.activationLimit ~= count else {
      throw .inputSize("an input of \(shape) is no batch of images that fits in memory")
    }
    let graph = executable.graph
    let shapes = try graph.inferShapes(input: shape)
    let context = PlanningContext(workers: team.count)
    var operators: [any PlannedOperator] = []
    for (index, node) in graph.nodes.enumerated() {
      guard let output = shapes[node.output.index] else { continue }
      do throws(GraphError) {
        operators.append(
          try executable.prepared[index].plan(
            inputs: node.inputs.compactMap { shapes[$0.index] }, output: output, context: context))
      } catch {
        throw .at(node: node.name, error)
      }
    }
    let scratch = operators.map(\.scratchByteCount).max() ?? 0
    let plan = Plan(
      shapes: shapes, operators: operators,
      memory: MemoryPlan(graph: graph, shapes: shapes, scratchByteCount: scratch))
    if planOrder.count == Self.planLimit { plans[planOrder.removeFirst()] = nil }
    plans[shape] = plan
    planOrder.append(shape)
    return plan
  }

  /// A well-formed graph can ask for more memory than there is.
  private func reserve(_ byteCount: Int, for shape: Shape) throws(GraphError) {
    guard arena.count < byteCount else { return }
    free(arena.baseAddress)
    arena = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    let rounded = ActivationLayout.roundUp(byteCount, to: ActivationLayout.alignment)
    guard let memory = aligned_alloc(ActivationLayout.alignment, rounded) else {
      throw .inputSize("no memory for the \(byteCount) bytes of activations of an input of \(shape)")
    }
    arena = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
  }
}
