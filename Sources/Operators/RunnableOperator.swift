import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// An operator that this runtime can evaluate, in three steps: `prepare` once for a graph (choose kernels, pack
/// weights), `plan` once for each set of shapes (offsets, scratch memory), and `run` for each evaluation.
package protocol RunnableOperator: Operator {
  /// Chooses kernels and packs weights.
  ///
  /// - Throws: `GraphError.constant` where a constant is missing or invalid; `.structure` where the operator does not
  ///   support the formats.
  func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator
}

/// The kernels, formats and constants that an operator is prepared for.
package struct PreparationContext: Sendable {
  /// The kernels to use.
  package let kernels: KernelSet
  /// The format in which each input is read, by slot.
  package let inputFormats: [ValueFormat]
  /// The format of the output.
  package let outputFormat: ValueFormat
  /// The node's constants by role.
  package let constants: [String: Tensor]

  package init(
    kernels: KernelSet, inputFormats: [ValueFormat], outputFormat: ValueFormat, constants: [String: Tensor]
  ) {
    self.kernels = kernels
    self.inputFormats = inputFormats
    self.outputFormat = outputFormat
    self.constants = constants
  }
}

/// An operator with its kernels chosen and its weights packed; shared by all sessions of an executable.
package protocol PreparedOperator: Sendable {
  /// The number of bytes of weights, packed as the kernels read them, and of tables; 0 for operators without weights.
  /// It may grow when the operator is planned for maps that need weights in another form.
  var byteCount: Int { get }

  /// Plans the evaluation for one set of shapes.
  ///
  /// - Throws: `GraphError.inputSize` where a map is too small or too large for the operator.
  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator

  /// Checks that `plan` takes the shapes, without what a plan makes for them.
  ///
  /// - Parameter context: One that makes no tables.
  /// - Throws: As `plan`.
  func check(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError)
}

extension PreparedOperator {
  package var byteCount: Int { 0 }
  package func check(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) {
    _ = try plan(inputs: inputs, output: output, context: context)
  }
}

/// An operator planned for one set of shapes.
package protocol PlannedOperator: Sendable {
  /// The number of bytes of scratch memory, aligned to 64 bytes, that `run` needs.
  var scratchByteCount: Int { get }

  /// Evaluates the operator on all threads of a team.
  func run(_ buffers: OperatorBuffers, team: ThreadTeam)
}

/// The memory for one evaluation of an operator, laid out by `ActivationLayout`.
package struct OperatorBuffers {
  /// The first element of each input, by slot.
  package let inputs: [UnsafeRawPointer]
  /// The first element of the output.
  package let output: UnsafeMutableRawPointer
  /// At least `scratchByteCount` bytes.
  package let scratch: UnsafeMutableRawPointer

  package init(inputs: [UnsafeRawPointer], output: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer) {
    self.inputs = inputs
    self.output = output
    self.scratch = scratch
  }
}

/// How activations are laid out in memory: NHWC without gaps. A uint8 map has a margin before it that holds the zero
/// point, where convolutions read their padding. Bytes after every map are readable, because kernels may read past a
/// row.
package enum ActivationLayout {
  /// The alignment of activations and scratch memory in bytes.
  package static let alignment = 64
  /// The number of bytes after a map that kernels may read.
  package static let readableBytesAfter = 64

  /// The number of bytes before the first element: one pixel of zero points for a uint8 map, preceded by one pixel of
  /// zero remainders where the map has remainders; 0 for float32.
  package static func marginByteCount(shape: Shape, format: ValueFormat) -> Int {
    let pixel = roundUp(shape.channels, to: alignment)
    switch format {
    case .float32: return 0
    case .uint8: return pixel
    case .uint8WithRemainder: return 2 * pixel
    }
  }

  /// The number of bytes of a map with its margin and the readable bytes after it, a multiple of the alignment.
  package static func blockByteCount(shape: Shape, format: ValueFormat) -> Int {
    roundUp(
      marginByteCount(shape: shape, format: format) + format.byteCount(elementCount: shape.elementCount)
        + readableBytesAfter, to: alignment)
  }

  /// Whether an output of `byteCount` bytes, computed from an input of the same size, is better written past the
  /// caches. In the caches, every line would be fetched before it is written, and most would be evicted before they are
  /// read.
  static func exceedsCaches(byteCount: Int) -> Bool { byteCount > 6 << 20 }

  /// The stored byte of a remainder of zero. It is added to remainders, which are signed, to store them as uint8.
  package static let remainderZeroPoint: UInt8 = 128

  /// Fills the margin before a map at `address`.
  package static func writeMargin(before address: UnsafeMutableRawPointer, shape: Shape, format: ValueFormat) {
    guard let parameters = format.quantization else { return }
    let pixel = roundUp(shape.channels, to: alignment)
    (address - pixel).initializeMemory(as: UInt8.self, repeating: parameters.zeroPoint, count: pixel)
    guard case .uint8WithRemainder = format else { return }
    (address - 2 * pixel).initializeMemory(as: UInt8.self, repeating: remainderZeroPoint, count: pixel)
  }

  /// The offset of a pixel of zeros, for taps outside the map: from the first element of the map, or from the first
  /// remainder where `ofRemainders` is true.
  static func outsideOffset(shape: Shape, ofRemainders: Bool) -> Int32 {
    let pixel = roundUp(shape.channels, to: alignment)
    return Int32(truncatingIfNeeded: ofRemainders ? -(shape.elementCount + 2 * pixel) : -pixel)
  }

  /// The smallest multiple of `multiple` that is not below `count`.
  package static func roundUp(_ count: Int, to multiple: Int) -> Int { (count + multiple - 1) / multiple * multiple }
}

extension Shape {
  /// The maximum number of elements of an activation. It keeps every offset within 32 bits and every product far from
  /// overflow.
  package static let activationLimit = 1 << 30

  /// This shape, after checking that an activation can have it.
  ///
  /// - Throws: `GraphError.inputSize` where it has no elements or more than `activationLimit`.
  func checkedActivation() throws(GraphError) -> Shape {
    guard let count = checkedElementCount, count <= Self.activationLimit else {
      throw .inputSize("a map of \(self) is too large; run fewer images at once")
    }
    guard count > 0 else { throw .inputSize("a map of \(self) has no elements") }
    return self
  }
}

extension PreparationContext {
  /// The elements of a float32 constant that must have `count` of them.
  func floats(_ role: String, count: Int) throws(GraphError) -> [Float] {
    guard let tensor = constants[role] else { throw .constant(role: role, problem: "is missing") }
    guard tensor.elementType == .float32, tensor.elementCount == count else {
      throw .constant(role: role, problem: "is \(tensor.elementType) \(tensor.shape), not float32 of \(count) elements")
    }
    return tensor.elements(as: Float.self)
  }

  /// Refuses constants with other roles: an operator must not run while it ignores part of a package.
  func refuseConstants(except roles: Set<String>) throws(GraphError) {
    if let role = constants.keys.sorted().first(where: { !roles.contains($0) }) {
      throw .constant(role: role, problem: "is not used by this operator")
    }
  }

  /// The scales of integer weights, one for each output; positive and finite.
  func weightScales(count: Int) throws(GraphError) -> [Float] {
    let scales = try floats("weight_scale", count: count)
    if let channel = scales.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw .constant(
        role: "weight_scale", problem: "of output \(channel) is \(scales[channel]), not positive and finite")
    }
    return scales
  }

  /// The same as this, with kernels that are exact for the given int8 weights.
  func suiting(_ weight: Tensor) -> PreparationContext {
    let all = kernels.forAllWeights
    guard all.features != kernels.features, weight.withElements(as: Int8.self, { $0.contains(-128) }) else {
      return self
    }
    return PreparationContext(
      kernels: all, inputFormats: inputFormats, outputFormat: outputFormat, constants: constants)
  }

  /// The sums of each output's int8 weights.
  func weightSums(_ weight: Tensor) -> [Int] {
    let outputs = weight.shape[0]
    var sums = [Int32](repeating: 0, count: outputs)
    weight.withElements(as: Int8.self) {
      _ = quern_igemm_sums($0.baseAddress, outputs, $0.count / max(outputs, 1), &sums)
    }
    return sums.map { Int($0) }
  }

  /// A constant that must have an element type and a rank.
  func constant(_ role: String, _ type: ElementType, rank: Int) throws(GraphError) -> Tensor {
    guard let tensor = constants[role] else { throw .constant(role: role, problem: "is missing") }
    guard tensor.elementType == type, tensor.shape.rank == rank else {
      throw .constant(role: role, problem: "is \(tensor.elementType) \(tensor.shape), not \(type) of rank \(rank)")
    }
    return tensor
  }

  /// The weights of a layer that computes in float32: stored as float32, or as int16 levels with a scale for each
  /// output.
  func floatWeight(rank: Int) throws(GraphError) -> Tensor {
    guard constants["weight"]?.elementType == .int16 else { return try constant("weight", .float32, rank: rank) }
    let levels = try constant("weight", .int16, rank: rank)
    return levels.scaled(by: try weightScales(count: levels.shape[0]))
  }

  /// Checks the constants of a layer that computes in float32, without reading the weights.
  func checkFloatConstants(rank: Int) throws(GraphError) {
    let isInt16 = constants["weight"]?.elementType == .int16
    let weight = try constant("weight", isInt16 ? .int16 : .float32, rank: rank)
    if isInt16 { _ = try weightScales(count: weight.shape[0]) }
    if constants["bias"] != nil { _ = try floats("bias", count: weight.shape[0]) }
  }

  /// The roles of the constants of a layer that computes in float32.
  var floatLayerRoles: Set<String> {
    constants["weight"]?.elementType == .int16 ? ["weight", "weight_scale", "bias"] : ["weight", "bias"]
  }

  /// Refuses activations other than float32, for operators without an int8 form.
  func requireFloat(_ kind: String) throws(GraphError) {
    guard inputFormats.allSatisfy({ $0 == .float32 }), outputFormat == .float32 else {
      throw .structure("the inputs and the output of \(kind) must be float32")
    }
  }
}

extension Tensor {
  /// The product, in float32, of int16 levels and a factor for each index of the first axis.
  ///
  /// - Parameter factors: As many as the extent of the first axis.
  package func scaled(by factors: [Float]) -> Tensor {
    let length = elementCount / max(factors.count, 1)
    return withElements(as: Int16.self) { levels in
      Tensor(shape: shape, of: Float.self) { target in
        for (row, factor) in factors.enumerated() {
          for index in row * length..<(row + 1) * length { target[index] = Float(levels[index]) * factor }
        }
      }
    }
  }
}
