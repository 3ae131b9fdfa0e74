import Calibration
import Graphs
import Operators
import Tensors
import Threads

/// Lets small channels of an activation use more of the 256 levels that all its channels share. A channel is held
/// magnified, the weights that make it and those that read it are scaled to match, and the float network stays what it was
/// (Nagel et al., "Data-free quantization through weight equalization and bias correction", arXiv 1906.04721, section 4.1).
///
/// That moves rounding error from activations to weights (Xiao et al., "SmoothQuant", arXiv 2211.10438, section 4), as the
/// weights that read a magnified channel become small beside others of their output, whose scale they share. Held with the
/// scale s, channel c of a map x with the step D, read by weights w with the steps D_o of their outputs o, puts noise of
///
///     s² D² / 12 sum over o of w_oc²  +  E[x_c²] / s² sum over o of D_o² / 12
///
/// on what reads it: the rounding of x, seen through the weights, and that of the weights, seen through x. It is least
/// where both are equal. The steps follow from ranges: D = max|x| / 255, D_o = max|w_o| / 127, and E[x_c²] is taken as a
/// fixed share of max|x_c|². Depthwise weights have a scale for each channel, so that they lose nothing.
package struct ChannelEqualizer: Sendable {
  private let threads: Int

  /// - Parameter threads: that look at weights at the same time.
  package init(threads: Int = 1) { self.threads = threads }

  /// E[x²] by max|x|² of a channel. Measured on a trained ResNet-50 with error-feedback rounding (mean and largest drift of
  /// 250 images): 1/1024: 0.00060, 0.0015; 1/256: 0.00044, 0.0028; 1/64: 0.00043, 0.0062; without equalisation 0.00108.
  /// Of the best two, the one whose packages are 3 % smaller.
  static let meanSquareShare = 1.0 / 256

  /// The least scale. Channels that were hardly seen to be active would otherwise be clipped where they are.
  static let leastScale = 1.0 / 16

  /// What a channel may exceed the largest value that was seen of it by without being clipped. Measured on a quarter-width
  /// network, few images, and others to verify (mean and largest drift): 1: 0.0022, 0.0138; 1.15: 0.0008, 0.0050; 1.25:
  /// 0.0005, 0.0029; 1.5: 0.0003, 0.0011; on a trained ResNet-50 with 300 images: 1: 0.00049, 0.0152; 1.25: 0.00057, 0.0091;
  /// 1.5: 0.00061, 0.0135.
  static let headroom = 1.25

  /// The values whose channel ranges are needed: those that are held as uint8 and read so by something else than a
  /// concatenation, which gives them a range of its own.
  package static func observedValues(in graph: Graph) -> [ValueID] {
    // Formats follow from the graph alone.
    let formats = QuantizationPlanner().plan(graph, statistics: ActivationStatistics()).formats(in: graph)
    let consumers = graph.consumers
    return graph.nodes.filter { node in
      guard node.op.quantizationRule == .ownRange, formats[node.output.index].quantization != nil else {
        return false
      }
      return (consumers[node.output] ?? []).contains { reader in
        let reader = graph.nodes[reader]
        return reader.inputs.indices.contains { slot in
          reader.inputs[slot] == node.output && !reader.op.readsRemainder(ofInput: slot)
            && reader.op.channelRule(ofInput: slot) != .carriedSideBySide
        }
      }
    }.map(\.output)
  }

  /// What is known of the channels that must have one scale.
  private struct Class {
    /// The largest of their shares of their tensors' ranges; a smaller scale would widen a range.
    var share = 0.0
    /// What the rounding of activations contributes to the noise at scale 1, and that of weights, each by the square of
    /// the steps of activations, summed over all readers.
    var (activationNoise, weightNoise) = (0.0, 0.0)

    /// The scale with the least noise, from square roots, which are the same on every machine.
    var scale: Float {
      // Without noise to weigh, a depthwise convolution or nothing reads the channels.
      let balanced =
        activationNoise > 0
        ? (weightNoise / activationNoise).squareRoot().squareRoot() : weightNoise > 0 ? 1 : 0
      return Float(min(max(balanced, share, ChannelEqualizer.leastScale), 1))
    }
  }

  /// Decides the scales; `ChannelScales.apply` carries them out.
  ///
  /// - Parameters:
  ///   - graph: a folded float graph.
  ///   - imageSize: an image's side that the graph takes.
  ///   - ranges: of `observedValues`. What is missing was not seen, and is left as it is.
  package func scales(
    of graph: Graph, imageSize: Int, ranges: [ValueID: ChannelRange]
  ) throws(GraphError) -> ChannelScales {
    var members = ChannelClasses(graph, shapes: try graph.inferShapes(input: [1, imageSize, imageSize, 3]))
    var classes = [Class?](repeating: nil, count: members.limit)
    let consumers = graph.consumers
    let nodes = graph.nodes.filter { ranges[$0.output]?.channels == members.classes(of: $0.output).count }
    let noises = ThreadTeam(count: min(threads, nodes.count)).map(nodes.count) { index in
      Result { () throws(GraphError) in try Self.noise(of: nodes[index].output, ranges, graph, consumers) }
    }
    for (node, noise) in zip(nodes, noises) {
      let noise = try noise.get()
      for (channel, number) in members.classes(of: node.output).enumerated() {
        guard let number else { continue }
        var known = classes[number] ?? Class()
        known.share = max(known.share, min(1, Self.headroom * Double(noise[channel].share)))
        known.activationNoise += noise[channel].activation
        known.weightNoise += noise[channel].weight
        classes[number] = known
      }
    }
    return ChannelScales(
      (0..<graph.valueCount).map { value in
        members.classes(of: ValueID(value)).map { number in number.flatMap { classes[$0]?.scale } ?? 1 }
      })
  }

  /// The nodes whose weights meet a value as it is held, or what is selected from it.
  private static func weightedReaders(
    of value: ValueID, _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) -> [Node] {
    var result: [Node] = []
    var values = [value]
    while let value = values.popLast() {
      for index in consumers[value] ?? [] {
        let reader = graph.nodes[index]
        if reader.op.quantizationRule == .sameAsInput {
          values.append(reader.output)
        } else if reader.inputs.indices.contains(where: {
          reader.inputs[$0] == value && reader.op.channelRule(ofInput: $0) == .weighted
        }) {
          result.append(reader)
        }
      }
    }
    return result
  }

  /// What is known of a channel of one value: its share of the value's range, and the noise that rounding makes in what
  /// reads it.
  private struct ChannelNoise {
    let share: Float
    var activation = 0.0
    var weight = 0.0
  }

  private static func noise(
    of value: ValueID, _ ranges: [ValueID: ChannelRange], _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) throws(GraphError) -> [ChannelNoise] {
    guard let range = ranges[value] else { return [] }
    // A map with values that are not finite has no ranges to equalise.
    let shares = range.shares ?? [Float](repeating: 1, count: range.channels)
    var noise = shares.map { ChannelNoise(share: $0) }
    for reader in weightedReaders(of: value, graph, consumers) {
      do throws(GraphError) {
        add(try WeightLayout(reader.constants, inputs: range.channels), to: &noise)
      } catch {
        throw .at(node: reader.name, error)
      }
    }
    return noise
  }

  /// Adds what a reader's weights make of the rounding of each channel, and what their own rounding makes of it.
  private static func add(_ layout: WeightLayout, to noise: inout [ChannelNoise]) {
    let taps = Double(layout.length / layout.depth)
    var energies = [Double](repeating: 0, count: noise.count)
    var steps = energies
    layout.weight.withElements(as: Float.self) { weights in
      energies.withUnsafeMutableBufferPointer { energies in
        guard var weight = weights.baseAddress, let energies = energies.baseAddress else { return }
        for output in 0..<layout.outputs {
          let first = layout.firstInput(of: output)
          var largest: Float = 0
          for _ in 0..<layout.length / layout.depth {
            for channel in 0..<layout.depth {
              let value = weight[channel]
              largest = max(largest, abs(value))
              energies[first &+ channel] += Double(value) * Double(value)
            }
            weight += layout.depth
          }
          // What every channel of the group shares is kept at its first.
          steps[first] += Double(largest) * Double(largest)
        }
      }
    }
    layout.weight.releasePages()
    for channel in noise.indices {
      let group = channel / layout.depth * layout.depth
      guard steps[group] > 0 else { continue }
      // By the weights' squares, so that all readers count alike.
      noise[channel].activation += energies[channel] / (steps[group] * taps)
      if layout.depth > 1 {
        let share = Double(noise[channel].share)
        noise[channel].weight += (255.0 * 255) / (127 * 127) * meanSquareShare * share * share
      }
    }
  }
}
