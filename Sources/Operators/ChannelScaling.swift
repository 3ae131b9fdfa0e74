import CKernels
import Graphs
import Kernels
import Tensors

/// A map times a factor for each image and channel, the last step of squeeze-and-excitation (Hu et al., arXiv 1709.01507,
/// equation 4), with an optional third input that is added before an optional ReLU. The map and the third input are
/// cropped to their common top-left corner.
///
/// Inputs: map [N, H, W, C], factors float32 [N, C], residual [N, H, W, C] (optional). For a uint8 output the product and
/// the residual are added in float32 and rounded once; the map may be float32 where the residual and the output are uint8.
public struct ChannelScaling: Operator {
  public static let wireName = "channel_scaling"
  public static let arity = 2...3

  public var activation: ActivationFunction

  public init(activation: ActivationFunction = .none) { self.activation = activation }
  public init(attributes: Attributes) throws(GraphError) { activation = try ActivationFunction(attributes: attributes) }
  public var attributes: Attributes { ["activation": .string(activation.rawValue)] }
  public var quantizationRule: QuantizationRule { .ownRange }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let (map, factors) = (inputs[0], inputs[1])
    guard map.rank == 4, factors == [map.batch, map.channels] else {
      throw .shape("cannot scale the channels of \(map) by factors of \(factors)")
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
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[1] == .float32 else { throw .structure("the factors of channels are float32") }
    let (map, output) = (context.inputFormats[0], context.outputFormat)
    switch (map, context.inputFormats.count == 3 ? context.inputFormats[2] : nil) {
    case (.float32, .float32?), (.float32, nil):
      if output == .float32 { return prepareFloat() }
      guard context.inputFormats.count == 2 else {
        throw .structure("a float residual cannot be added to a uint8 output")
      }
      return prepareInt8(context, residual: nil)
    case (_, nil): return prepareInt8(context, residual: nil)
    case (_, .uint8(let residual)?): return prepareInt8(context, residual: residual)
    case (.uint8, .float32?): throw .structure("the residual of a scaled uint8 map is uint8")
    }
  }

  private func prepareFloat() -> any PreparedOperator {
    let relu = activation == .relu
    return CornerwiseOperator(staysInLines: true) { run, buffers in
      let channels = run.output.channels
      let factors = buffers.inputs[1].assumingMemoryBound(to: Float.self) + run.image * channels
      var map = buffers.inputs[0].assumingMemoryBound(to: Float.self) + run.start(ofInput: 0) * channels
      var output = buffers.output.assumingMemoryBound(to: Float.self) + run.first * channels
      var residual =
        run.inputs.count == 3
        ? buffers.inputs[2].assumingMemoryBound(to: Float.self) + run.start(ofInput: 2) * channels : nil
      for _ in 0..<run.count {
        for channel in 0..<channels { output[channel] = map[channel] * factors[channel] }
        if let values = residual {
          for channel in 0..<channels { output[channel] += values[channel] }
          residual = values + channels
        }
        if relu { for channel in 0..<channels { output[channel] = max(output[channel], 0) } }
        map += channels
        output += channels
      }
    }
  }

  private func prepareInt8(
    _ context: PreparationContext, residual: QuantizationParameters?
  ) -> any PreparedOperator {
    Int8ChannelScaling(
      kernel: context.kernels.elementwise, map: context.inputFormats[0], residual: residual,
      output: context.outputFormat,
      relu: activation == .relu)
  }
}

/// The factors times the ratio of scales are computed once an image, the rest line by line.
private struct Int8ChannelScaling: PreparedOperator, @unchecked Sendable {
  let kernel: quern_elementwise_kernel
  let map: ValueFormat
  let residual: QuantizationParameters?
  let output: ValueFormat
  let relu: Bool

  func plan(inputs: [Shape], output: Shape, workers: Int) -> any PlannedOperator {
    Planned(prepared: self, inputs: inputs, output: output)
  }

  private struct Planned: PlannedOperator {
    let prepared: Int8ChannelScaling
    let inputs: [Shape]
    let output: Shape
    /// A factor for each image and channel.
    var scratchByteCount: Int { output.batch * output.channels * MemoryLayout<Float>.stride }

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let factors = buffers.scratch.assumingMemoryBound(to: Float.self)
      let given = buffers.inputs[1].assumingMemoryBound(to: Float.self)
      let outputScale: Float = if case .uint8(let parameters) = prepared.output { parameters.scale } else { 1 }
      let mapScale: Float = if case .uint8(let parameters) = prepared.map { parameters.scale } else { 1 }
      let ratio = mapScale / outputScale
      for index in 0..<output.batch * output.channels { factors[index] = given[index] * ratio }
      let residualFactor = prepared.residual.map { $0.scale / outputScale } ?? 0
      team.forEach(output.batch * output.height) { line, _ in
        let run = PixelRun(output: output, inputs: inputs, first: line * output.width, count: output.width)
        scale(run, buffers, factors + run.image * output.channels, residualFactor)
      }
    }

    private func scale(
      _ run: PixelRun, _ buffers: OperatorBuffers, _ factors: UnsafePointer<Float>, _ residualFactor: Float
    ) {
      let channels = output.channels
      let start = run.start(ofInput: 0) * channels
      var (levels, mapZero): (UnsafePointer<UInt8>?, Int32) = (nil, 0)
      var reals: UnsafePointer<Float>? = nil
      switch prepared.map {
      case .uint8(let parameters):
        levels = buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + start
        mapZero = Int32(parameters.zeroPoint)
      case .float32: reals = buffers.inputs[0].assumingMemoryBound(to: Float.self) + start
      }
      let residual =
        prepared.residual == nil
        ? nil : buffers.inputs[2].assumingMemoryBound(to: UInt8.self) + run.start(ofInput: 2) * channels
      let residualZero = Int32(prepared.residual?.zeroPoint ?? 0)
      switch prepared.output {
      case .uint8(let parameters):
        let zero = Int32(parameters.zeroPoint)
        prepared.kernel.scale_u8(
          levels, mapZero, reals, factors, residual, residualZero, residualFactor, run.count, channels,
          zero, prepared.relu ? zero : 0, buffers.output.assumingMemoryBound(to: UInt8.self) + run.first * channels)
      case .float32:
        prepared.kernel.scale_f32(
          levels, mapZero, reals, factors, residual, residualZero, residualFactor, run.count, channels,
          prepared.relu ? 1 : 0, buffers.output.assumingMemoryBound(to: Float.self) + run.first * channels)
      }
    }
  }
}
