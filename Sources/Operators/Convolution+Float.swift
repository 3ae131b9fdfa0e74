import Graphs
import Kernels
import Tensors

/// Float convolution as matrix products on OpenBLAS: straight on the map where the kernel is 1x1, otherwise on patches
/// gathered side by side.
///
/// OpenBLAS packs both matrices anew in every call, so the work is cut along the longer of rows (output pixels) and output
/// channels, and the shorter is packed again for each piece. Pieces depend on shapes only, so the thread count changes no
/// bit.
struct FloatConvolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  let weight: Tensor
  let bias: [Float]

  init(_ given: Convolution, _ context: PreparationContext) throws(GraphError) {
    let weight = try context.constant("weight", .float32, rank: 4)
    let merging = GroupMerging(groups: given.groups, outputs: weight.shape[0])
    op = given.merging(merging)
    kernels = context.kernels
    if merging.factor == 1 {
      self.weight = weight.contiguous()
    } else {
      let merged = merging.weights(weight.elements(as: Float.self), weight.shape)
      self.weight = Tensor(merged.values, shape: merged.shape)
    }
    bias =
      context.constants["bias"] == nil
      ? [Float](repeating: 0, count: weight.shape[0]) : try context.floats("bias", count: weight.shape[0])
    try context.requireFloat(Convolution.wireName)
    do throws(BLAS.LoadError) { try BLAS.load() } catch { throw .structure(error.description) }
  }

  func plan(inputs: [Shape], output: Shape, workers: Int) -> any PlannedOperator {
    FloatConvolutionPlan(
      prepared: self, input: inputs[0], residual: inputs.count > 1 ? inputs[1] : nil, output: output, workers: workers)
  }
}

private struct FloatConvolutionPlan: PlannedOperator {
  let prepared: FloatConvolution
  let input: Shape
  let residual: Shape?
  let output: Shape
  let rows: Int
  let patchLength: Int
  /// Output pixels and output channels of one product.
  let rowTile: Int
  let channelTile: Int
  let workers: Int

  /// Elements of the gathered patches of one tile of rows: 1 MiB, a second-level cache.
  private static let patchBudget = 256 * 1024

  init(prepared: FloatConvolution, input: Shape, residual: Shape?, output: Shape, workers: Int) {
    self.prepared = prepared
    self.input = input
    self.residual = residual
    self.output = output
    self.workers = workers
    let weight = prepared.weight.shape
    patchLength = weight[1] * weight[2] * weight[3]
    rows = output.batch * output.height * output.width
    let groupOutputs = output.channels / prepared.op.groups
    if groupOutputs > rows {
      rowTile = rows
      channelTile = Self.evenTile(groupOutputs, atMost: (groupOutputs + 3) / 4, multiple: 16)
    } else {
      let fitting = Self.gathers(prepared.op) ? max(48, Self.patchBudget / max(patchLength, 1)) : rows
      rowTile = Self.evenTile(rows, atMost: min(fitting, (rows + 3) / 4), multiple: 16)
      channelTile = groupOutputs
    }
  }

  /// The size of tiles that cover `count` with little left over in the last.
  private static func evenTile(_ count: Int, atMost limit: Int, multiple: Int) -> Int {
    let tiles = max(1, (count + max(limit, 1) - 1) / max(limit, 1))
    return max(1, min(count, ActivationLayout.roundUp((count + tiles - 1) / tiles, to: multiple)))
  }

  private static func gathers(_ op: Convolution) -> Bool { !op.window.isPointwise || op.groups > 1 }
  /// A pointwise convolution reads the map as it is, unless its output is cropped to a smaller residual.
  fileprivate var gathers: Bool {
    Self.gathers(prepared.op) || input.height != output.height || input.width != output.width
  }
  private var cutsChannels: Bool { rowTile == rows }
  fileprivate var patchByteCount: Int {
    gathers ? ActivationLayout.roundUp(rowTile * patchLength * 4, to: ActivationLayout.alignment) : 0
  }

  /// Patches of a tile of rows for each worker; where channels are cut, all workers read the same patches.
  var scratchByteCount: Int { patchByteCount * (cutsChannels ? 1 : workers) }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    let source = buffers.inputs[0].assumingMemoryBound(to: Float.self)
    prepared.weight.withElements(as: Float.self) { weight in
      prepared.bias.withUnsafeBufferPointer { bias in
        guard let weight = weight.baseAddress, let bias = bias.baseAddress else { return }
        for group in 0..<prepared.op.groups {
          let tile = GroupTile(plan: self, group: group, source: source, weight: weight, bias: bias, buffers: buffers)
          if cutsChannels { tile.runByChannels(team) } else { tile.runByRows(team) }
        }
      }
    }
  }

  /// One group's products.
  private struct GroupTile {
    let plan: FloatConvolutionPlan
    let group: Int
    let source: UnsafePointer<Float>
    let weight: UnsafePointer<Float>
    let bias: UnsafePointer<Float>
    let buffers: OperatorBuffers

    private var groupOutputs: Int { plan.output.channels / plan.prepared.op.groups }
    private var groupInputs: Int { plan.input.channels / plan.prepared.op.groups }

    func runByRows(_ team: ThreadTeam) {
      team.forEach((plan.rows + plan.rowTile - 1) / plan.rowTile) { tile, worker in
        let rows = tile * plan.rowTile..<min((tile + 1) * plan.rowTile, plan.rows)
        let patches = (buffers.scratch + worker * plan.patchByteCount).assumingMemoryBound(to: Float.self)
        if plan.gathers {
          plan.gather(rows: rows, from: source + group * groupInputs, channels: groupInputs, to: patches)
        }
        multiply(rows, 0..<groupOutputs, patches)
      }
    }

    func runByChannels(_ team: ThreadTeam) {
      let patches = buffers.scratch.assumingMemoryBound(to: Float.self)
      if plan.gathers {
        let chunk = (plan.rows + 2 * team.count - 1) / (2 * team.count)
        team.forEach((plan.rows + chunk - 1) / chunk) { piece, _ in
          let rows = piece * chunk..<min((piece + 1) * chunk, plan.rows)
          plan.gather(
            rows: rows, from: source + group * groupInputs, channels: groupInputs,
            to: patches + rows.lowerBound * plan.patchLength)
        }
      }
      team.forEach((groupOutputs + plan.channelTile - 1) / plan.channelTile) { tile, _ in
        let channels = tile * plan.channelTile..<min((tile + 1) * plan.channelTile, groupOutputs)
        multiply(0..<plan.rows, channels, patches)
      }
    }

    /// Multiplies `rows`, whose gathered patches begin at `patches`, by the filters of some of the group's channels, and
    /// finishes what it stored.
    private func multiply(_ rows: Range<Int>, _ channels: Range<Int>, _ patches: UnsafePointer<Float>) {
      let (length, stride) = (plan.patchLength, plan.output.channels)
      let channel = group * groupOutputs + channels.lowerBound
      let target = buffers.output.assumingMemoryBound(to: Float.self) + rows.lowerBound * stride + channel
      BLAS.multiplyTransposed(
        m: rows.count, n: channels.count, k: length,
        a: plan.gathers ? patches : source + rows.lowerBound * plan.input.channels, lda: length,
        b: weight + channel * length, ldb: length, c: target, ldc: stride)
      finish(rows, channels, target)
    }

    /// Adds bias and residual and applies the activation, line by line where the residual is of another size.
    private func finish(_ rows: Range<Int>, _ channels: Range<Int>, _ target: UnsafeMutablePointer<Float>) {
      let stride = plan.output.channels
      let channel = group * groupOutputs + channels.lowerBound
      let relu: Int32 = plan.prepared.op.activation == .relu ? 1 : 0
      let kernel = plan.prepared.kernels.elementwise
      guard let shape = plan.residual else {
        kernel.bias_activation(target, rows.count, channels.count, stride, bias + channel, nil, stride, relu)
        return
      }
      let residual = buffers.inputs[1].assumingMemoryBound(to: Float.self) + channel
      var first = rows.lowerBound
      while first < rows.upperBound {
        let left = rows.upperBound - first
        let count = shape == plan.output ? left : min(left, plan.output.width - first % plan.output.width)
        let run = PixelRun(output: plan.output, inputs: [shape], first: first, count: count)
        kernel.bias_activation(
          target + (first - rows.lowerBound) * stride, count, channels.count, stride, bias + channel,
          residual + run.start(ofInput: 0) * stride, stride, relu)
        first += count
      }
    }
  }

  /// Copies the taps of each output pixel side by side; taps outside the map are zero.
  fileprivate func gather(
    rows: Range<Int>, from source: UnsafePointer<Float>, channels: Int, to patches: UnsafeMutablePointer<Float>
  ) {
    let window = prepared.op.window
    let (outputHeight, outputWidth) = (output.height, output.width)
    let (inputHeight, inputWidth, pixelStride) = (input.height, input.width, input.channels)
    var patch = patches
    for row in rows {
      let x = row % outputWidth * window.strideWidth - window.left
      let y = row / outputWidth % outputHeight * window.strideHeight - window.top
      let image = row / (outputWidth * outputHeight)
      for ky in 0..<window.height {
        let inputY = y + ky * window.dilationHeight
        for kx in 0..<window.width {
          let inputX = x + kx * window.dilationWidth
          if inputY >= 0, inputY < inputHeight, inputX >= 0, inputX < inputWidth {
            let pixel = (image * inputHeight + inputY) * inputWidth + inputX
            patch.update(from: source + pixel * pixelStride, count: channels)
          } else {
            patch.update(repeating: 0, count: channels)
          }
          patch += channels
        }
      }
    }
  }
}
