import Graphs
import Tensors

/// A map times a factor for each image and channel, the last step of squeeze-and-excitation (Hu et al., arXiv
/// 1709.01507, equation 4), with an optional residual that is added before an optional activation. The map and the
/// residual are cropped to their common top-left corner.
///
/// Inputs: map [N, H, W, C], factors float32 [N, C], residual [N, H, W, C] (optional). The constant `weight`, float32
/// [C, 1] (optional, else 1), multiplies the factors: equalisation scales channels by it. For a uint8 output, the
/// product and the residual are added in float32 and rounded once. The map may be float32 where the residual and the
/// output are uint8.
package struct ChannelScaling: Operator, ChannelScalingOperator {
  package static let wireName = "channel_scaling"
  package static let arity = 2...3

  package var activation: ActivationFunction

  package init(activation: ActivationFunction = .none) { self.activation = activation }
  package init(attributes: Attributes) throws(GraphError) {
    activation = try ActivationFunction(attributes: attributes)
  }
  package var attributes: Attributes { activation.attributes("activation") }
  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.combination = .residual(slot: 2)
    traits.floatSlots = [1]
    traits.hasUnitWeights = true
    (traits.canStoreFloat, traits.followsFloat) = (true, true)
    return traits
  }
  package func readsRemainder(ofInput slot: Int) -> Bool { slot == 2 }
  package static let remainderRule = RemainderRule.made
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    let product = bounds[0] >= 0 && bounds[1] >= 0 ? 0 : -Double.infinity
    return activation.lowerBound(product + (bounds.count == 3 ? bounds[2] : 0))
  }
  package func channelRule(ofInput slot: Int) -> ChannelRule {
    switch slot {
    case 0: .weighted
    case 2 where activation.isHomogeneous: .carried
    default: .fixed
    }
  }
  package var hasOutputChannelWeights: Bool { activation.isHomogeneous }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let (map, factors) = (inputs[0], inputs[1])
    guard map.rank == 4, factors == [map.batch, map.channels] else {
      throw .shape("cannot scale the channels of \(map) by factors of \(factors)")
    }
    if let weight = constants["weight"], weight.shape != [map.channels, 1] {
      throw .constant(role: "weight", problem: "has the shape \(weight.shape), not [\(map.channels), 1]")
    }
    guard inputs.count == 3 else { return map }
    guard inputs[2].rank == 4, inputs[2].batch == map.batch, inputs[2].channels == map.channels else {
      throw .shape("cannot add a residual of \(inputs[2]) to \(map)")
    }
    let corner = Shape.commonCorner([map, inputs[2]])
    return [map.batch, corner.height, corner.width, map.channels]
  }
}

extension ChannelScaling: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: ["weight"])
    let weight = context.constants["weight"]
    let weights = try weight.map { tensor throws(GraphError) in
      try context.floats("weight", count: tensor.elementCount)
    }
    guard context.inputFormats[1] == .float32 else { throw .structure("the factors of channels must be float32") }
    let (map, output) = (context.inputFormats[0], context.outputFormat)
    let residual = context.inputFormats.count == 3 ? context.inputFormats[2] : nil
    if map == .float32, output == .float32, residual == nil || residual == .float32 {
      return prepareFloat(weights)
    }
    guard residual != .float32 else { throw .structure("a float residual needs a float map and a float output") }
    return Int8MapSum(
      kernel: context.kernels.elementwise, map: map, factorSlot: 1, weights: weights, residual: residual,
      residualSlot: 2,
      output: output, activation: activation)
  }

  private func prepareFloat(_ weights: [Float]?) -> any PreparedOperator {
    let bounds = activation.realBounds
    let isBounded = activation != .none
    return TopLeftAlignedOperator(staysInLines: true) { run, buffers in
      let channels = run.output.channels
      let factors = buffers.inputs[1].assumingMemoryBound(to: Float.self) + run.image * channels
      var map = buffers.inputs[0].assumingMemoryBound(to: Float.self) + run.start(ofInput: 0) * channels
      var output = buffers.output.assumingMemoryBound(to: Float.self) + run.first * channels
      var residual =
        run.inputs.count == 3
        ? buffers.inputs[2].assumingMemoryBound(to: Float.self) + run.start(ofInput: 2) * channels : nil
      for _ in 0..<run.count {
        if let weights {
          for channel in 0..<channels { output[channel] = map[channel] * (factors[channel] * weights[channel]) }
        } else {
          for channel in 0..<channels { output[channel] = map[channel] * factors[channel] }
        }
        if let values = residual {
          for channel in 0..<channels { output[channel] += values[channel] }
          residual = values + channels
        }
        if isBounded {
          for channel in 0..<channels { output[channel] = ActivationFunction.bounded(output[channel], bounds) }
        }
        map += channels
        output += channels
      }
    }
  }
}
