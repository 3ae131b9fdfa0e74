import Graphs
import Kernels
import Operators
import Tensors
import Threads

/// Evaluates one operator as `Executable` and `Session` would, in memory of which every byte that the operator may not
/// count on is garbage, and every byte that it may not write is watched.
package struct NodeRun {
  package struct Overrun: Error {}

  private static let garbage: UInt8 = 0xCD

  package static func run(
    _ op: any RunnableOperator, _ inputs: [Activation], outputFormat: ValueFormat, constants: [String: Tensor],
    kernels: KernelSet, team: ThreadTeam
  ) throws -> (shape: Shape, elements: Elements) {
    let shapes = inputs.map(\.shape)
    let shape = try op.outputShape(inputs: shapes, constants: constants)
    let prepared = try op.prepare(
      PreparationContext(
        kernels: kernels, inputFormats: inputs.map(\.format), outputFormat: outputFormat, constants: constants))
    let planned = try prepared.plan(inputs: shapes, output: shape, context: PlanningContext(workers: team.count))

    let blocks = inputs.map(Block.init(holding:))
    let output = Block(byteCount: outputFormat.byteCount(elementCount: shape.elementCount), margin: 64)
    let scratch = Block(byteCount: planned.scratchByteCount, margin: 64)
    defer { for block in blocks + [output, scratch] { block.deallocate() } }
    planned.run(
      OperatorBuffers(inputs: blocks.map { UnsafeRawPointer($0.start) }, output: output.start, scratch: scratch.start),
      team: team)
    guard output.isIntactOutside, scratch.isIntactOutside else { throw Overrun() }
    switch outputFormat {
    case .float32:
      return (shape, .float(Array(UnsafeRawBufferPointer(output.contents).bindMemory(to: Float.self))))
    case .uint8, .uint8WithRemainder: return (shape, .uint8(Array(output.contents)))
    }
  }

  private struct Block {
    let memory: UnsafeMutableRawBufferPointer
    let margin: Int
    let byteCount: Int

    init(byteCount: Int, margin: Int) {
      (self.byteCount, self.margin) = (byteCount, margin)
      memory = .allocate(byteCount: margin + byteCount + 64, alignment: 64)
      memory.initializeMemory(as: UInt8.self, repeating: garbage)
    }

    init(holding activation: Activation) {
      let margin = ActivationLayout.marginByteCount(shape: activation.shape, format: activation.format)
      switch activation.elements {
      case .float(let values):
        self.init(byteCount: 4 * values.count, margin: margin)
        values.withUnsafeBytes { contents.copyMemory(from: $0) }
      case .uint8(let levels):
        self.init(byteCount: levels.count, margin: margin)
        ActivationLayout.writeMargin(before: start, shape: activation.shape, format: activation.format)
        levels.withUnsafeBytes { contents.copyMemory(from: $0) }
      }
    }

    var contents: UnsafeMutableRawBufferPointer { .init(rebasing: memory[margin..<margin + byteCount]) }
    var start: UnsafeMutableRawPointer { memory.baseAddress! + margin }
    var isIntactOutside: Bool {
      memory[..<margin].allSatisfy { $0 == garbage } && memory[(margin + byteCount)...].allSatisfy { $0 == garbage }
    }
    func deallocate() { memory.deallocate() }
  }
}

/// The kernel tiers that this machine can run, lowest first; the others are reported.
package enum KernelTiers {
  package static let runnable: [(name: String, kernels: KernelSet)] = {
    let tiers: [(String, CPUFeatures)] = [
      ("scalar", []), ("avx2", [.avx2]), ("avxvnni", [.avx2, .avxVNNI]), ("avx512", [.avx2, .avx512]),
      ("avx512vnni", [.avx2, .avx512, .avx512VNNI]), ("avx512vbmi", [.avx2, .avx512, .avx512VBMI]), ("neon", [.neon]),
      ("neondot", [.neon, .neonDot]),
      ("current", .current),
    ]
    return tiers.compactMap { name, features in
      guard features.isSubset(of: .current) else {
        print("skipped: the kernels for \(name) need processor features that this machine lacks")
        return nil
      }
      return (name, KernelSet(features: features))
    }
  }()
}
