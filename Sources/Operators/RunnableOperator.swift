import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// An operator that this runtime can evaluate, in three steps: `prepare` once for a graph (choose kernels, pack weights),
/// `plan` once for each set of shapes (indirection, scratch), `run` for each evaluation.
package protocol RunnableOperator: Operator {
  /// - Throws: `GraphError.constant` where a constant is missing or unfit, `.structure` where the operator cannot work on
  ///   these formats.
  func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator
}

/// What an operator is prepared for.
package struct PreparationContext: Sendable {
  package let kernels: KernelSet
  package let inputFormats: [ValueFormat]
  package let outputFormat: ValueFormat
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
  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator
}

/// An operator ready for one set of shapes.
package protocol PlannedOperator: Sendable {
  /// Bytes of 64-byte aligned scratch memory that `run` needs.
  var scratchByteCount: Int { get }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam)
}

/// The memory of one evaluation, laid out as `ActivationLayout` says.
package struct OperatorBuffers {
  package let inputs: [UnsafeRawPointer]
  package let output: UnsafeMutableRawPointer
  package let scratch: UnsafeMutableRawPointer

  package init(inputs: [UnsafeRawPointer], output: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer) {
    self.inputs = inputs
    self.output = output
    self.scratch = scratch
  }
}

/// How activations lie in memory: NHWC without gaps, with a margin before a uint8 map that holds its zero point, where
/// convolutions find their padding, and readable bytes behind every map, as kernels may read a little past a row.
package enum ActivationLayout {
  package static let alignment = 64
  package static let readableBytesBehind = 64

  /// Bytes before the first element: the zero point for one pixel of a uint8 map, nothing for float. Before that of a map
  /// with remainders, one pixel of remainders that are zero.
  package static func marginByteCount(shape: Shape, format: ValueFormat) -> Int {
    let pixel = roundUp(shape.channels, to: alignment)
    switch format {
    case .float32: return 0
    case .uint8: return pixel
    case .uint8WithRemainder: return 2 * pixel
    }
  }

  /// Bytes that a map takes with its margin and what may be read behind it, a multiple of the alignment.
  package static func blockByteCount(shape: Shape, format: ValueFormat) -> Int {
    roundUp(
      marginByteCount(shape: shape, format: format) + format.byteCount(elementCount: shape.elementCount)
        + readableBytesBehind, to: alignment)
  }

  /// Whether so many bytes, made of as many others, are better written past the caches: most would be gone before they are
  /// read, but all be fetched before they are written.
  static func exceedsCaches(byteCount: Int) -> Bool { byteCount > 6 << 20 }

  /// The byte that every remainder is moved by, so that it is no sign: a remainder of zero.
  package static let remainderZeroPoint: UInt8 = 128

  /// Fills the margin before a map at `address`.
  package static func writeMargin(before address: UnsafeMutableRawPointer, shape: Shape, format: ValueFormat) {
    guard let parameters = format.quantization else { return }
    let pixel = roundUp(shape.channels, to: alignment)
    (address - pixel).initializeMemory(as: UInt8.self, repeating: parameters.zeroPoint, count: pixel)
    guard case .uint8WithRemainder = format else { return }
    (address - 2 * pixel).initializeMemory(as: UInt8.self, repeating: remainderZeroPoint, count: pixel)
  }

  /// From the first element of a map to a pixel of zeros, for taps outside it; from the first remainder where
  /// `ofRemainders`.
  static func outsideOffset(shape: Shape, ofRemainders: Bool) -> Int32 {
    let pixel = roundUp(shape.channels, to: alignment)
    return Int32(truncatingIfNeeded: ofRemainders ? -(shape.elementCount + 2 * pixel) : -pixel)
  }

  package static func roundUp(_ count: Int, to multiple: Int) -> Int { (count + multiple - 1) / multiple * multiple }
}

extension Shape {
  /// Elements of the largest activation, which keeps every offset within 32 bits and every product far from overflow.
  package static let activationLimit = 1 << 30

  /// This shape, if it is one that an activation can have: no extent below 1, and not too many elements.
  ///
  /// - Throws: `GraphError.inputSize`.
  func checkedActivation() throws(GraphError) -> Shape {
    guard let count = checkedElementCount, count <= Self.activationLimit else {
      throw .inputSize("a map of \(self) is too large; run fewer images at once")
    }
    guard count > 0 else { throw .inputSize("a map of \(self) has no elements") }
    return self
  }
}

extension PreparationContext {
  /// A float32 constant of a shape.
  func floats(_ role: String, count: Int) throws(GraphError) -> [Float] {
    guard let tensor = constants[role] else { throw .constant(role: role, problem: "is missing") }
    guard tensor.elementType == .float32, tensor.elementCount == count else {
      throw .constant(role: role, problem: "is \(tensor.elementType) \(tensor.shape), not float32 of \(count) elements")
    }
    return tensor.elements(as: Float.self)
  }

  /// Refuses constants with other roles: an operator must not run without what a package wants it to honour.
  func refuseConstants(except roles: Set<String>) throws(GraphError) {
    if let role = constants.keys.sorted().first(where: { !roles.contains($0) }) {
      throw .constant(role: role, problem: "has no meaning for this operator")
    }
  }

  /// The scales of int8 weights, one for each output.
  func weightScales(count: Int) throws(GraphError) -> [Float] {
    let scales = try floats("weight_scale", count: count)
    if let channel = scales.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw .constant(
        role: "weight_scale", problem: "of output \(channel) is \(scales[channel]), not positive and finite")
    }
    return scales
  }

  /// The sums of each output's int8 weights.
  ///
  /// - Throws: `GraphError.constant` for a weight of -128, which the format does not allow.
  func weightSums(_ weight: Tensor) throws(GraphError) -> [Int] {
    let outputs = weight.shape[0]
    var sums = [Int32](repeating: 0, count: outputs)
    let least = weight.withElements(as: Int8.self) {
      quern_igemm_sums($0.baseAddress, outputs, $0.count / max(outputs, 1), &sums)
    }
    guard least != -128 else { throw .constant(role: "weight", problem: "holds -128; -127 is the least") }
    return sums.map { Int($0) }
  }

  func constant(_ role: String, _ type: ElementType, rank: Int) throws(GraphError) -> Tensor {
    guard let tensor = constants[role] else { throw .constant(role: role, problem: "is missing") }
    guard tensor.elementType == type, tensor.shape.rank == rank else {
      throw .constant(role: role, problem: "is \(tensor.elementType) \(tensor.shape), not \(type) of rank \(rank)")
    }
    return tensor
  }

  /// The weight of a layer that computes in float: float32, or what int16 levels and a scale for each output stand for.
  func floatWeight(rank: Int) throws(GraphError) -> Tensor {
    guard constants["weight"]?.elementType == .int16 else { return try constant("weight", .float32, rank: rank) }
    let levels = try constant("weight", .int16, rank: rank)
    return levels.scaled(by: try weightScales(count: levels.shape[0]))
  }

  /// Checks the constants of a layer that computes in float without reading its weight.
  func checkFloatConstants(rank: Int) throws(GraphError) {
    let isInt16 = constants["weight"]?.elementType == .int16
    let weight = try constant("weight", isInt16 ? .int16 : .float32, rank: rank)
    if isInt16 { _ = try weightScales(count: weight.shape[0]) }
    if constants["bias"] != nil { _ = try floats("bias", count: weight.shape[0]) }
  }

  /// The roles of the constants of a layer that computes in float.
  var floatLayerRoles: Set<String> {
    constants["weight"]?.elementType == .int16 ? ["weight", "weight_scale", "bias"] : ["weight", "bias"]
  }

  /// Refuses anything but float activations, for operators that have no int8 form.
  func requireFloat(_ kind: String) throws(GraphError) {
    guard inputFormats.allSatisfy({ $0 == .float32 }), outputFormat == .float32 else {
      throw .structure("\(kind) runs on float activations only")
    }
  }
}

extension Tensor {
  /// Int16 levels times a factor for each index of the first axis, in float32.
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
