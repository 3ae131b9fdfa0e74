import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// `y = x W^T + b` on float32 rows [N, inputs]: the classifier, and the projection of PCA whitening. In the quantised
/// form, weights are int8 with a scale for each output, while activations stay float32: with one row per image, this
/// costs no time.
///
/// Constants: `weight` float32, int16 or int8 [outputs, inputs]; `weight_scale` float32 [outputs] with int16 and int8;
/// `bias` float32 [outputs] (optional).
package struct Linear: Operator, AffineFoldingOperator {
  package static let wireName = "linear"
  package static let arity = 1...1

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var quantizationRule: QuantizationRule { .floatWithInt8Weights }
  package static let outputLayout = OutputLayout.rows
  package func canFoldAffine(inputs: Int) -> Bool { true }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.weights = .matrix
    return traits
  }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .weighted }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    constants["weight"]?.elementType == .int8 ? .specified : .implementation
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard let weight = constants["weight"]?.shape else { throw .constant(role: "weight", problem: "is missing") }
    guard weight.rank == 2, inputs[0].rank == 2, weight[1] == inputs[0].channels else {
      throw .shape("weights of \(weight) do not fit rows of \(inputs[0])")
    }
    if let bias = constants["bias"], bias.elementCount != weight[0] {
      throw .constant(role: "bias", problem: "has \(bias.elementCount) elements for \(weight[0]) outputs")
    }
    return try Shape([inputs[0].batch, weight[0]]).checkedActivation()
  }

  package func multiplyAccumulates(inputs: [Shape], constants: [String: Tensor]) -> Int {
    inputs[0].batch * (constants["weight"]?.elementCount ?? 0)
  }
}

extension Linear {
  /// The number of outputs for each worker: whole blocks of 16, or all of them where the product is too small for
  /// waking another worker to save time.
  fileprivate static func chunk(outputs: Int, inputs: Int, context: PlanningContext) -> Int {
    let workers = outputs * inputs < 1 << 17 ? 1 : context.workers
    return ((outputs + 15) / 16 + workers - 1) / workers * 16
  }
}

extension Linear: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    guard let weight = context.constants["weight"] else { throw .constant(role: "weight", problem: "is missing") }
    guard weight.shape.rank == 2, weight.elementCount > 0 else {
      throw .constant(role: "weight", problem: "has the shape \(weight.shape), not [outputs, inputs]")
    }
    let outputs = weight.shape[0]
    let bias = try context.paddedBias(count: outputs)
    switch weight.elementType {
    case .int8:
      try context.refuseConstants(except: ["weight", "weight_scale", "bias"])
      return Int8WeightLinear(
        weight: weight, scale: try context.weightScales(count: outputs), bias: bias,
        kernel: context.kernels.rowLinear)
    case .float32, .int16:
      try context.refuseConstants(except: context.floatLayerRoles)
      return FloatLinear(weight: try context.floatWeight(rank: 2), bias: bias, kernel: context.kernels.fgemm)
    default: throw .constant(role: "weight", problem: "is \(weight.elementType), neither float32 nor int16 nor int8")
    }
  }
}

private struct FloatLinear: PreparedOperator, @unchecked Sendable {
  let outputs: Int
  let inputs: Int
  let packedWeights: PackedWeights<Float>
  let bias: [Float]
  let kernel: quern_fgemm_kernel

  init(weight: Tensor, bias: [Float], kernel: quern_fgemm_kernel) {
    (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let (outputs, inputs) = (outputs, inputs)
    packedWeights = PackedWeights(count: quern_fgemm_packed_count(outputs, 1, inputs)) { target in
      weight.withElements(as: Float.self) { quern_fgemm_pack($0.baseAddress, outputs, 1, inputs, target) }
    }
    self.bias = bias
    self.kernel = kernel
  }

  var byteCount: Int { packedWeights.byteCount + bias.count * MemoryLayout<Float>.stride }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    Planned(
      prepared: self, rows: output.batch, chunk: Linear.chunk(outputs: outputs, inputs: self.inputs, context: context))
  }

  private struct Planned: PlannedOperator {
    let prepared: FloatLinear
    let rows: Int
    let chunk: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      prepared.bias.withUnsafeBufferPointer { bias in
        team.forEach((prepared.outputs + chunk - 1) / chunk, with: (plan: self, buffers: buffers, bias: bias)) {
          state, piece, _ in
          state.plan.compute(piece, state.buffers, state.bias)
        }
      }
    }

    private func compute(_ piece: Int, _ buffers: OperatorBuffers, _ bias: UnsafeBufferPointer<Float>) {
      let (outputs, inputs) = (prepared.outputs, prepared.inputs)
      let first = piece * chunk
      var arguments = quern_fgemm_args()
      arguments.input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
      (arguments.rows, arguments.taps, arguments.tap_elements) = (rows, 1, inputs)
      arguments.output_channels = min(chunk, outputs - first)
      arguments.weights = UnsafePointer(prepared.packedWeights.pointer) + first * inputs
      arguments.bias = bias.baseAddress.map { $0 + first }
      arguments.output = buffers.output.assumingMemoryBound(to: Float.self) + first
      (arguments.input_stride, arguments.output_stride) = (inputs, outputs)
      prepared.kernel.run(&arguments)
    }
  }
}

private struct Int8WeightLinear: PreparedOperator, @unchecked Sendable {
  let outputs: Int
  let inputs: Int
  let packedWeights: PackedWeights<Int8>
  let scale: [Float]
  let bias: [Float]
  let kernel: quern_rowlinear_kernel

  init(weight: Tensor, scale: [Float], bias: [Float], kernel: quern_rowlinear_kernel) {
    (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let (outputs, inputs) = (outputs, inputs)
    packedWeights = PackedWeights<Int8>(count: quern_rowlinear_packed_size(outputs, inputs)) { target in
      weight.withElements(as: Int8.self) { quern_rowlinear_pack($0.baseAddress, outputs, inputs, target) }
    }
    self.scale = scale + [Float](repeating: 0, count: ActivationLayout.roundUp(outputs, to: 16) - outputs)
    self.bias = bias
    self.kernel = kernel
  }

  var byteCount: Int { packedWeights.byteCount + (scale.count + bias.count) * MemoryLayout<Float>.stride }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    Planned(
      prepared: self, rows: output.batch, chunk: Linear.chunk(outputs: outputs, inputs: self.inputs, context: context))
  }

  private struct Planned: PlannedOperator {
    let prepared: Int8WeightLinear
    let rows: Int
    let chunk: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      prepared.scale.withUnsafeBufferPointer { scale in
        prepared.bias.withUnsafeBufferPointer { bias in
          team.forEach(
            (prepared.outputs + chunk - 1) / chunk, with: (plan: self, buffers: buffers, scale: scale, bias: bias)
          ) { state, piece, _ in
            state.plan.compute(piece, state.buffers, state.scale, state.bias)
          }
        }
      }
    }

    private func compute(
      _ piece: Int, _ buffers: OperatorBuffers, _ scale: UnsafeBufferPointer<Float>, _ bias: UnsafeBufferPointer<Float>
    ) {
      let (outputs, inputs) = (prepared.outputs, prepared.inputs)
      let first = piece * chunk
      var arguments = quern_rowlinear_args()
      arguments.input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
      (arguments.rows, arguments.inputs) = (rows, inputs)
      arguments.outputs = min(chunk, outputs - first)
      arguments.weights = UnsafePointer(prepared.packedWeights.pointer) + first * inputs
      arguments.scale = scale.baseAddress.map { $0 + first }
      arguments.bias = bias.baseAddress.map { $0 + first }
      arguments.output = buffers.output.assumingMemoryBound(to: Float.self) + first
      (arguments.input_stride, arguments.output_stride) = (inputs, outputs)
      prepared.kernel.run(&arguments)
    }
  }
}
