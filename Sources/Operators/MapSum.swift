import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// A map, times an optional factor for each image and channel, plus an optional residual. Both maps are cropped to
/// their common top-left corner, and the result is rounded once.
struct Int8MapSum: PreparedOperator, @unchecked Sendable {
  let kernel: quern_elementwise_kernel
  /// The format of input 0.
  let map: ValueFormat
  /// The slot of the factors, float32 [N, C].
  let factorSlot: Int?
  /// Constants that multiply the factors, one for each channel; `nil` for 1.
  var weights: [Float]?
  /// The format of the residual; not float32.
  let residual: ValueFormat?
  let residualSlot: Int
  let output: ValueFormat
  let activation: ActivationFunction

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    Planned(prepared: self, inputs: inputs, output: output)
  }

  private struct Planned: PlannedOperator {
    let prepared: Int8MapSum
    let inputs: [Shape]
    let output: Shape
    /// For the factors times the ratio of the scales, which are computed once per image; all else is computed line by
    /// line.
    var scratchByteCount: Int { output.batch * output.channels * MemoryLayout<Float>.stride }

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let factors = buffers.scratch.assumingMemoryBound(to: Float.self)
      let inputFactors = prepared.factorSlot.map { buffers.inputs[$0].assumingMemoryBound(to: Float.self) }
      let ratio = (prepared.map.quantization?.scale ?? 1) / (prepared.output.quantization?.scale ?? 1)
      for index in 0..<output.batch * output.channels {
        let factor = inputFactors?[index] ?? 1
        factors[index] = (prepared.weights.map { factor * $0[index % output.channels] } ?? factor) * ratio
      }
      let slot = prepared.residualSlot
      var whole = MapSum(output: prepared.output, prepared.activation, buffers.output, shape: output)
      whole.setMap(buffers.inputs[0], prepared.map, shape: inputs[0])
      if let residual = prepared.residual { whole.setResidual(buffers.inputs[slot], residual, shape: inputs[slot]) }
      team.forEach(output.batch * output.height, with: (plan: self, sum: whole, factors: factors)) { state, line, _ in
        state.plan.compute(line, state.sum, state.factors)
      }
    }

    private func compute(_ line: Int, _ sum: MapSum, _ factors: UnsafeMutablePointer<Float>) {
      let run = PixelRun(output: output, inputs: inputs, first: line * output.width, count: output.width)
      sum.run(
        prepared.kernel, factors: factors + run.image * output.channels, pixels: run.count, output: run.first,
        map: run.start(ofInput: 0), residual: prepared.residual == nil ? 0 : run.start(ofInput: prepared.residualSlot))
    }
  }
}

/// A map times a factor for each channel, plus a residual, in any formats that the kernel takes. Holds the arguments
/// for whole maps, from which `run` derives those for a range of pixels.
private struct MapSum: @unchecked Sendable {
  private var whole = quern_scale_args()
  private let channels: Int
  private let outputScale: Float

  init(output format: ValueFormat, _ activation: ActivationFunction, _ output: UnsafeMutableRawPointer, shape: Shape) {
    channels = shape.channels
    outputScale = format.quantization?.scale ?? 1
    whole.channels = shape.channels
    whole.clamp = activation.clamp
    let epilogue = Epilogue(activation, format)
    whole.output_zero_point = epilogue.zeroPoint
    (whole.output_min, whole.output_max) = epilogue.levels
    switch format {
    case .float32: whole.output_f32 = output.assumingMemoryBound(to: Float.self)
    case .uint8: whole.output = output.assumingMemoryBound(to: UInt8.self)
    case .uint8WithRemainder:
      whole.output = output.assumingMemoryBound(to: UInt8.self)
      whole.output_remainder = output.assumingMemoryBound(to: UInt8.self) + shape.elementCount
    }
  }

  mutating func setMap(_ map: UnsafeRawPointer, _ format: ValueFormat, shape: Shape) {
    guard let parameters = format.quantization else {
      whole.reals = map.assumingMemoryBound(to: Float.self)
      return
    }
    whole.map = map.assumingMemoryBound(to: UInt8.self)
    whole.map_zero_point = Int32(parameters.zeroPoint)
    if case .uint8WithRemainder = format {
      whole.map_remainder = map.assumingMemoryBound(to: UInt8.self) + shape.elementCount
    }
  }

  /// - Parameter format: Not float32.
  mutating func setResidual(_ map: UnsafeRawPointer, _ format: ValueFormat, shape: Shape) {
    guard let parameters = format.quantization else { return }
    whole.residual = map.assumingMemoryBound(to: UInt8.self)
    whole.residual_zero_point = Int32(parameters.zeroPoint)
    whole.residual_multiplier = parameters.scale / outputScale
    if case .uint8WithRemainder = format {
      whole.residual_remainder = map.assumingMemoryBound(to: UInt8.self) + shape.elementCount
    }
  }

  /// Computes `pixels` pixels.
  ///
  /// - Parameters:
  ///   - output: The index of the first pixel in the output.
  ///   - map: The index of the first pixel in the map.
  ///   - residual: The index of the first pixel in the residual.
  func run(
    _ kernel: quern_elementwise_kernel, factors: UnsafePointer<Float>, pixels: Int, output: Int, map: Int, residual: Int
  ) {
    var part = whole
    part.factors = factors
    part.rows = pixels
    if part.map != nil { part.map += map * channels }
    if part.map_remainder != nil { part.map_remainder += map * channels }
    if part.reals != nil { part.reals += map * channels }
    if part.residual != nil { part.residual += residual * channels }
    if part.residual_remainder != nil { part.residual_remainder += residual * channels }
    if part.output != nil { part.output += output * channels }
    if part.output_remainder != nil { part.output_remainder += output * channels }
    if part.output_f32 != nil { part.output_f32 += output * channels }
    kernel.scale(&part)
  }
}
