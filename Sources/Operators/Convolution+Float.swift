import Graphs
import Kernels
import Tensors

/// Float convolution as matrix products on OpenBLAS: straight on the map where the kernel is 1x1, otherwise on patches
/// gathered a tile of output pixels at a time, so that a tile stays in the second-level cache.
///
/// Tiles depend on shapes only, so the thread count changes no bit.
struct FloatConvolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  let weight: Tensor
  let bias: [Float]

  init(_ op: Convolution, _ context: PreparationContext) throws(GraphError) {
    self.op = op
    kernels = context.kernels
    weight = try context.constant("weight", .float32, rank: 4).contiguous()
    bias =
      context.constants["bias"] == nil
      ? [Float](repeating: 0, count: weight.shape[0]) : try context.floats("bias", count: weight.shape[0])
    try context.requireFloat(Convolution.wireName)
    do throws(BLAS.LoadError) { try BLAS.load() } catch { throw .structure(error.description) }
  }

  func plan(inputs: [Shape], output: Shape, workers: Int) -> any PlannedOperator {
    FloatConvolutionPlan(prepared: self, input: inputs[0], output: output, workers: workers)
  }
}

private struct FloatConvolutionPlan: PlannedOperator {
  let prepared: FloatConvolution
  let input: Shape
  let output: Shape
  let patchLength: Int
  let tileRows: Int
  let workers: Int

  /// Elements of the gathered patches of one tile: 512 KiB.
  private static let patchBudget = 128 * 1024

  init(prepared: FloatConvolution, input: Shape, output: Shape, workers: Int) {
    self.prepared = prepared
    self.input = input
    self.output = output
    self.workers = workers
    let weight = prepared.weight.shape
    patchLength = weight[1] * weight[2] * weight[3]
    let rows = output.batch * output.height * output.width
    let fitting = max(48, Self.patchBudget / max(patchLength, 1) / 48 * 48)
    // At least four tiles, so that two threads share small maps evenly, too.
    tileRows = min(fitting, max(48, (rows + 3) / 4))
  }

  private var gathers: Bool { !prepared.op.window.isPointwise || prepared.op.groups > 1 }
  private var patchByteCount: Int {
    gathers ? ActivationLayout.roundUp(tileRows * patchLength * 4, to: ActivationLayout.alignment) : 0
  }

  var scratchByteCount: Int { patchByteCount * workers }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    let rows = output.batch * output.height * output.width
    let source = buffers.inputs[0].assumingMemoryBound(to: Float.self)
    let target = buffers.output.assumingMemoryBound(to: Float.self)
    let residual = buffers.inputs.count > 1 ? buffers.inputs[1].assumingMemoryBound(to: Float.self) : nil
    prepared.weight.withElements(as: Float.self) { weight in
      prepared.bias.withUnsafeBufferPointer { bias in
        guard let weight = weight.baseAddress, let bias = bias.baseAddress else { return }
        team.forEach((rows + tileRows - 1) / tileRows) { tile, worker in
          let first = tile * tileRows
          let count = min(tileRows, rows - first)
          let patches = (buffers.scratch + worker * patchByteCount).assumingMemoryBound(to: Float.self)
          multiply(rows: first..<first + count, source, weight, patches, target)
          prepared.kernels.elementwise.bias_activation(
            target + first * output.channels, count, output.channels, output.channels, bias,
            residual.map { $0 + first * output.channels }, output.channels, prepared.op.activation == .relu ? 1 : 0)
        }
      }
    }
  }

  private func multiply(
    rows: Range<Int>, _ source: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
    _ patches: UnsafeMutablePointer<Float>, _ target: UnsafeMutablePointer<Float>
  ) {
    let groups = prepared.op.groups
    let groupOutputs = output.channels / groups
    let groupInputs = input.channels / groups
    for group in 0..<groups {
      if gathers { gather(rows: rows, from: source + group * groupInputs, channels: groupInputs, to: patches) }
      BLAS.multiplyTransposed(
        m: rows.count, n: groupOutputs, k: patchLength,
        a: gathers ? UnsafePointer(patches) : source + rows.lowerBound * input.channels, lda: patchLength,
        b: weight + group * groupOutputs * patchLength, ldb: patchLength,
        c: target + rows.lowerBound * output.channels + group * groupOutputs, ldc: output.channels)
    }
  }

  /// Copies the taps of each output pixel side by side; taps outside the map are zero.
  private func gather(
    rows: Range<Int>, from source: UnsafePointer<Float>, channels: Int, to patches: UnsafeMutablePointer<Float>
  ) {
    let window = prepared.op.window
    var patch = patches
    for row in rows {
      let x = row % output.width * window.strideWidth - window.left
      let y = row / output.width % output.height * window.strideHeight - window.top
      let image = row / (output.width * output.height)
      for ky in 0..<window.height {
        let inputY = y + ky * window.dilationHeight
        for kx in 0..<window.width {
          let inputX = x + kx * window.dilationWidth
          if inputY >= 0, inputY < input.height, inputX >= 0, inputX < input.width {
            let pixel = (image * input.height + inputY) * input.width + inputX
            patch.update(from: source + pixel * input.channels, count: channels)
          } else {
            patch.update(repeating: 0, count: channels)
          }
          patch += channels
        }
      }
    }
  }
}
