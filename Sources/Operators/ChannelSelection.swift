import Graphs
import Kernels
import Tensors

/// A map [N, H, W, C] or rows [N, C] with some channels of the input, in any order: parts of a split, a slice of
/// channels, or the channel shuffle of ShuffleNets (Zhang et al., arXiv 1707.01083, section 3.1). Exact on uint8: the
/// output keeps the input's format, remainders included.
package struct ChannelSelection: Operator {
  package static let wireName = "channel_selection"
  package static let arity = 1...1
  static let attributeNames: Set<String> = ["counts", "first", "steps"]

  /// The limit of the numbers of channels.
  private static let limit = 1 << 20

  /// For each channel of the output, the channel of the input that it is.
  package let channels: [Int]

  /// - Throws: `GraphError.attribute` where there is no channel, or a number is out of range.
  package init(_ channels: [Int]) throws(GraphError) {
    guard (1...Self.limit).contains(channels.count), channels.allSatisfy((0..<Self.limit).contains) else {
      throw .attribute(name: "first", expected: "the numbers of up to \(Self.limit) channels")
    }
    self.channels = channels
  }

  /// Attributes describe the list in a compact form: `first` are the starts of its blocks. The blocks of one start are
  /// nested, and each level has an entry of `counts` and of `steps`, the outermost first: its number of blocks (or
  /// channels), and the distance of their starts.
  package init(attributes: Attributes) throws(GraphError) {
    func list(_ name: String) throws(GraphError) -> [Int] {
      guard case .ints(let values)? = attributes[name], values.count <= Self.limit,
        values.allSatisfy({ -Self.limit...Self.limit ~= $0 })
      else { throw .attribute(name: name, expected: "integers of at most \(Self.limit)") }
      return values
    }
    var channels = try list("first")
    let (counts, steps) = (try list("counts"), try list("steps"))
    guard counts.count == steps.count, counts.count <= 20 else {
      throw .attribute(name: "steps", expected: "as many integers as 'counts', at most 20")
    }
    for (count, step) in zip(counts, steps) {
      guard count >= 2, count * max(channels.count, 1) <= Self.limit else {
        throw .attribute(name: "counts", expected: "integers of at least 2 with a product of at most \(Self.limit)")
      }
      channels = channels.flatMap { first in (0..<count).map { first + $0 * step } }
    }
    try self.init(channels)
  }

  package var attributes: Attributes {
    var first = channels
    var (counts, steps): ([Int], [Int]) = ([], [])
    while let (count, step) = Self.longestBlocks(of: first) {
      counts.insert(count, at: 0)
      steps.insert(step, at: 0)
      first = stride(from: 0, to: first.count, by: count).map { first[$0] }
    }
    return ["first": .ints(first), "counts": .ints(counts), "steps": .ints(steps)]
  }

  /// The longest equal blocks, of at least two elements, that a list consists of, if all have the same step between
  /// neighbours; `nil` where there are none.
  private static func longestBlocks(of list: [Int]) -> (count: Int, step: Int)? {
    guard list.count > 1 else { return nil }
    let step = list[1] - list[0]
    // Each element that does not continue its block starts one: lengths that divide all their positions are possible.
    var length = list.count
    for position in 1..<list.count where list[position] - list[position - 1] != step {
      var rest = position
      while rest != 0 { (length, rest) = (rest, length % rest) }
      if length == 1 { return nil }
    }
    return (length, step)
  }

  /// Whether the output is an input of `count` channels itself.
  package func isIdentity(of count: Int) -> Bool { channels.count == count && channels.elementsEqual(0..<count) }

  /// The selection that is this one of the output of another.
  ///
  /// - Throws: `GraphError.shape` where the other has too few channels.
  package func of(_ other: ChannelSelection) throws(GraphError) -> ChannelSelection {
    guard channels.allSatisfy({ $0 < other.channels.count }) else {
      throw .shape("cannot select channels up to \(channels.max() ?? 0) of \(other.channels.count)")
    }
    return try ChannelSelection(channels.map { other.channels[$0] })
  }

  package var quantizationRule: QuantizationRule { .sameAsInput }
  package static let remainderRule = RemainderRule.passedOn
  package func channelRule(ofInput slot: Int) -> ChannelRule { .selected(channels) }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 2 || input.rank == 4, let last = channels.max(), last < input.channels else {
      throw .shape("cannot select channels up to \(channels.max() ?? 0) of \(input)")
    }
    var shape = input
    shape.dimensions[input.rank - 1] = channels.count
    return try shape.checkedActivation()
  }
}

extension ChannelSelection: AttributeNaming {}

extension ChannelSelection: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let format = context.outputFormat
    guard context.inputFormats[0] == format else {
      throw .structure("the input and the output of a channel selection must have the same format")
    }
    let planes = if case .uint8WithRemainder = format { 2 } else { 1 }
    let isFloat = format == .float32
    return SelectingOperator(runs: Self.runs(of: channels), channels: channels, isFloat: isFloat, planes: planes)
  }

  /// The runs of neighbouring channels that a list consists of.
  private static func runs(of channels: [Int]) -> [SelectingOperator.Run] {
    var runs: [SelectingOperator.Run] = []
    for (position, channel) in channels.enumerated() {
      if let last = runs.last, last.source + last.count == channel {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(SelectingOperator.Run(source: channel, target: position, count: 1))
      }
    }
    return runs
  }
}

/// Copies channels of each pixel: in runs where these are long, otherwise one by one.
private struct SelectingOperator: PreparedOperator {
  struct Run {
    let source: Int
    let target: Int
    var count: Int
  }

  let runs: [Run]
  let channels: [Int]
  let isFloat: Bool
  let planes: Int

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    let (prepared, input) = (self, inputs[0])
    return ElementwiseOperator { shape, buffers, range in
      for plane in 0..<prepared.planes {
        prepared.copy(
          buffers.inputs[0] + plane * input.elementCount, input.channels,
          to: buffers.output + plane * shape.elementCount,
          shape.channels, range)
      }
    }.plan(inputs: inputs, output: output, context: context)
  }

  private func copy(
    _ input: UnsafeRawPointer, _ inputChannels: Int, to output: UnsafeMutableRawPointer, _ outputChannels: Int,
    _ pixels: Range<Int>
  ) {
    if runs.count * 8 <= channels.count {
      let size = isFloat ? MemoryLayout<Float>.stride : 1
      for pixel in pixels {
        for run in runs {
          (output + (pixel * outputChannels + run.target) * size).copyMemory(
            from: input + (pixel * inputChannels + run.source) * size, byteCount: run.count * size)
        }
      }
    } else if isFloat {
      gather(
        input.assumingMemoryBound(to: Float.self), inputChannels, output.assumingMemoryBound(to: Float.self), pixels)
    } else {
      gather(
        input.assumingMemoryBound(to: UInt8.self), inputChannels, output.assumingMemoryBound(to: UInt8.self), pixels)
    }
  }

  @inline(__always) private func gather<Element>(
    _ input: UnsafePointer<Element>, _ inputChannels: Int, _ output: UnsafeMutablePointer<Element>, _ pixels: Range<Int>
  ) {
    channels.withUnsafeBufferPointer { channels in
      for pixel in pixels {
        let (source, target) = (input + pixel * inputChannels, output + pixel * channels.count)
        for index in channels.indices { target[index] = source[channels[index]] }
      }
    }
  }
}
