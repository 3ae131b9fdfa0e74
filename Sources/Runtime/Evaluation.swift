import Graphs
import Operators
import Tensors
import Threads

/// The evaluation of inputs of one shape in memory that is reserved. All addresses are known, so that running it
/// allocates nothing.
///
/// Not thread-safe. Evaluations of one arena share its memory, so that only one of them may run at a time.
package final class Evaluation {
  private struct Step {
    let op: any PlannedOperator
    let buffers: OperatorBuffers
    let output: Value
  }

  /// A value and its address.
  struct Value {
    let id: ValueID
    let shape: Shape
    let format: ValueFormat
    let address: UnsafeMutableRawPointer

    /// All planes.
    var bytes: UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(start: address, count: format.byteCount(elementCount: shape.elementCount))
    }

    /// Writes the margin, which other values that share these bytes may have overwritten.
    func writeMargin() { ActivationLayout.writeMargin(before: address, shape: shape, format: format) }
  }

  private let values: [Value?]
  private let steps: [Step]
  private let graph: Graph
  private let team: ThreadTeam
  private let base: UnsafeMutableRawPointer
  private unowned let arena: Arena

  /// - Parameters:
  ///   - base: The memory of the arena, which has as many bytes as the plan says.
  ///   - team: The threads that evaluate, as many as were planned for.
  fileprivate init(
    _ plan: Session.Plan, _ executable: Executable, team: ThreadTeam, base: UnsafeMutableRawPointer, arena: Arena
  ) {
    let graph = executable.graph
    (self.graph, self.team, self.base, self.arena) = (graph, team, base, arena)
    let values: [Value?] = plan.memory.offsets.enumerated().map { index, offset in
      guard let offset, let shape = plan.shapes[index] else { return nil }
      let id = ValueID(index)
      return Value(id: id, shape: shape, format: graph.format(of: id), address: base + offset)
    }
    func value(_ id: ValueID) -> Value {
      guard let value = values[id.index] else { preconditionFailure("value \(id.index) has no memory") }
      return value
    }
    self.values = values
    let scratch = base + plan.memory.scratchOffset
    steps = zip(executable.nodes, plan.operators).map { index, op in
      let node = graph.nodes[index]
      let output = value(node.output)
      let inputs = node.inputs.map { UnsafeRawPointer(value($0).address) }
      return Step(
        op: op, buffers: OperatorBuffers(inputs: inputs, output: output.address, scratch: scratch), output: output)
    }
  }

  /// Whether the memory is still reserved. It is not once its session has planned for larger inputs.
  package var isCurrent: Bool { arena.base == base }

  /// A value with its address; `nil` where it has no memory in the segment that is evaluated.
  func value(_ id: ValueID) -> Value? { values[id.index] }

  /// Evaluates the graph. Traps unless the evaluation is current.
  ///
  /// - Parameters:
  ///   - observer: Called with the input and after every node, while the value is in cache.
  ///   - fillInput: Writes the elements of the whole input.
  package func run(
    observer: Session.Observer? = nil, fillInput: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    precondition(isCurrent, "the memory of this evaluation is no longer reserved")
    guard let input = values[graph.input.index] else { preconditionFailure("the input has no memory") }
    input.writeMargin()
    fillInput(input.bytes)
    observer?(input.id, input.shape, UnsafeRawBufferPointer(input.bytes))
    runSteps(observer)
  }

  /// Evaluates the prepared nodes one after another.
  func runSteps(_ observer: Session.Observer?) {
    for step in steps {
      step.output.writeMargin()
      step.op.run(step.buffers, team: team)
      observer?(step.output.id, step.output.shape, UnsafeRawBufferPointer(step.output.bytes))
    }
  }

  /// The outputs by name, float32.
  var outputs: [String: Tensor] {
    var result: [String: Tensor] = [:]
    for output in graph.outputs {
      guard let value = values[output.value.index] else { continue }
      let elements = [Float](unsafeUninitializedCapacity: value.shape.elementCount) { buffer, count in
        guard let start = buffer.baseAddress else { return }
        copy(value, to: start)
        count = value.shape.elementCount
      }
      result[output.name] = Tensor(elements, shape: value.shape)
    }
    return result
  }

  /// The number of elements of an output; `nil` where the graph has no such output.
  package func outputCount(_ name: String) -> Int? { output(name)?.shape.elementCount }

  private func output(_ name: String) -> Value? {
    guard let output = graph.outputs.first(where: { $0.name == name }) else { return nil }
    return values[output.value.index]
  }

  /// Copies an output as float32, without allocating memory.
  ///
  /// - Parameter target: Memory for at least as many elements as the output has.
  /// - Returns: The number of elements that were copied; 0 where the graph has no such output.
  @discardableResult
  package func copyOutput(_ name: String, to target: UnsafeMutableBufferPointer<Float>) -> Int {
    guard let value = output(name), let start = target.baseAddress, value.shape.elementCount <= target.count else {
      return 0
    }
    copy(value, to: start)
    return value.shape.elementCount
  }

  private func copy(_ value: Value, to target: UnsafeMutablePointer<Float>) {
    let count = value.shape.elementCount
    switch value.format {
    case .float32: target.update(from: value.address.assumingMemoryBound(to: Float.self), count: count)
    case .uint8(let parameters), .uint8WithRemainder(let parameters):
      let levels = value.address.assumingMemoryBound(to: UInt8.self)
      for index in 0..<count { target[index] = parameters.dequantize(levels[index]) }
    }
  }
}

/// The memory for the activations and scratch of one evaluation at a time.
final class Arena {
  private var block: AlignedBlock?
  private var evaluations: [ObjectIdentifier: Evaluation] = [:]

  /// The first byte; `nil` before memory was reserved.
  var base: UnsafeMutableRawPointer? { block?.memory.baseAddress }
  var byteCount: Int { block?.memory.count ?? 0 }

  /// The evaluation of a plan, for which memory is reserved.
  ///
  /// - Throws: `GraphError.memory` where the memory does not suffice.
  func evaluation(
    of plan: Session.Plan, _ executable: Executable, team: ThreadTeam
  ) throws(GraphError) -> Evaluation {
    if let cached = evaluations[ObjectIdentifier(plan)] { return cached }
    let needed = plan.memory.byteCount
    if byteCount < needed {
      // The old block is freed before the larger one is allocated.
      evaluations = [:]
      block = nil
      block = try AlignedBlock(byteCount: needed, for: "activations of an input of \(plan.input)")
    }
    guard let base else { throw .memory("no memory for activations") }
    let evaluation = Evaluation(plan, executable, team: team, base: base, arena: self)
    evaluations[ObjectIdentifier(plan)] = evaluation
    return evaluation
  }

  /// Forgets the evaluation of a plan that is no longer kept.
  func forget(_ plan: Session.Plan) { evaluations[ObjectIdentifier(plan)] = nil }
}
