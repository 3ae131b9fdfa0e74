import Calibration
import Graphs
import Operators
import Tensors
import Threads

/// Equalises the channels of activations: lets small channels use more of the 256 levels that all channels of a value
/// share. A channel is stored magnified, the weights that produce it and those that read it are scaled to match, and
/// the float network computes the same (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias
/// Correction", arXiv 1906.04721, section 4.1).
///
/// This moves rounding error from activations to weights (Xiao et al., "SmoothQuant", arXiv 2211.10438, section 4), as
/// the weights that read a magnified channel become small compared with others of their output, whose scale they share.
/// Let the channel c of a map x with the step D be stored with the scale s, and read by weights w with the steps D_o of
/// their outputs o. The noise in the outputs is
///
///     s² D² / 12 sum over o of w_oc²  +  E[x_c²] / s² sum over o of D_o² / 12
///
/// from the rounding of x, seen through the weights, and the rounding of the weights, seen through x. It is minimal
/// where both are equal. The steps follow from ranges: D = max|x| / 255, D_o = max|w_o| / 127, and E[x_c²] is taken as
/// a fixed share of max|x_c|². Depthwise weights have one scale per channel, so they lose nothing.
package struct ChannelEqualizer: Sendable {
  private let threads: Int

  /// - Parameter threads: the number of threads that read weights.
  package init(threads: Int = 1) { self.threads = threads }

  /// The assumed ratio of E[x²] to max|x|² in a channel. Measured on a trained ResNet-50 with error-feedback rounding
  /// (mean and maximum drift of 250 images): 1/1024: 0.00060, 0.0015; 1/256: 0.00044, 0.0028; 1/64: 0.00043, 0.0062;
  /// without equalisation 0.00108. Of the best two, this one gives packages that are 3 % smaller.
  static let meanSquareShare = 1.0 / 256

  /// The minimum scale. Without it, channels that calibration hardly saw active would be clipped where they are.
  static let minScale = 1.0 / 16

  /// The factor by which a channel may exceed its largest value in calibration without being clipped. Measured on a
  /// quarter-width network with few images, and others to verify (mean and maximum drift): 1: 0.0022, 0.0138; 1.15:
  /// 0.0008, 0.0050; 1.25: 0.0005, 0.0029; 1.5: 0.0003, 0.0011; on a trained ResNet-50 with 300 images: 1: 0.00049,
  /// 0.0152; 1.25: 0.00057, 0.0091; 1.5: 0.00061, 0.0135.
  static let headroom = 1.25

  /// The values whose channel ranges are needed: those that are stored as uint8 and read as such by an operator other
  /// than a concatenation, which gives them a range of its own.
  package static func observedValues(in graph: Graph) -> [ValueID] {
    // Formats follow from the graph alone.
    let formats = QuantizationPlanner().plan(graph, statistics: ActivationStatistics()).formats(in: graph)
    let consumers = graph.consumers
    return graph.nodes.filter { node in
      guard node.op.quantizationRule == .calibratedRange, formats[node.output.index].quantization != nil else {
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

  /// The figures of a class of channels, which share one scale.
  private struct Class {
    /// The largest of the channels' shares of their values' ranges; a smaller scale would widen a range.
    var share = 0.0
    /// The noise from rounding activations at scale 1, and from rounding weights, each relative to the squared steps of
    /// activations, summed over all readers.
    var (activationNoise, weightNoise) = (0.0, 0.0)

    /// The scale with the least noise. It is computed with square roots, which give the same result on every machine.
    var scale: Float {
      // No noise means that only depthwise convolutions, or no operator, read these channels.
      let balanced =
        activationNoise > 0
        ? (weightNoise / activationNoise).squareRoot().squareRoot() : weightNoise > 0 ? 1 : 0
      return Float(min(max(balanced, share, ChannelEqualizer.minScale), 1))
    }
  }

  /// Chooses the scales; `ChannelScales.apply(to:)` applies them.
  ///
  /// - Parameters:
  ///   - graph: a folded float graph.
  ///   - imageSize: the side of an image that the graph accepts.
  ///   - ranges: the channel ranges of `observedValues(in:)`. Values without a range are not scaled.
  /// - Throws: `GraphError` where the graph does not accept images of that size; `GraphError.at` with the node whose
  ///   weights do not match.
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
        var result = classes[number] ?? Class()
        result.share = max(result.share, min(1, Self.headroom * Double(noise[channel].share)))
        result.activationNoise += noise[channel].activation
        result.weightNoise += noise[channel].weight
        classes[number] = result
      }
    }
    return ChannelScales(
      (0..<graph.valueCount).map { value in
        members.classes(of: ValueID(value)).map { number in number.flatMap { classes[$0]?.scale } ?? 1 }
      })
  }

  /// A node with weights that reads a value as it is stored, or values selected from it.
  private struct WeightedReader {
    let node: Node
    /// For each channel that the node reads, the channel of the value.
    let channels: [Int]
  }

  private static func weightedReaders(
    of value: ValueID, channels: Int, _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) -> [WeightedReader] {
    var result: [WeightedReader] = []
    var values = [(value, Array(0..<channels))]
    while let (value, channels) = values.popLast() {
      for index in consumers[value] ?? [] {
        let reader = graph.nodes[index]
        let slots = reader.inputs.indices.filter { reader.inputs[$0] == value }
        let rules = slots.map { reader.op.channelRule(ofInput: $0) }
        if case .selected(let list)? = rules.first {
          guard list.allSatisfy({ $0 < channels.count }) else { continue }
          values.append((reader.output, list.map { channels[$0] }))
        } else if reader.op.quantizationRule == .sameAsInput {
          values.append((reader.output, channels))
        } else if rules.contains(.weighted) {
          result.append(WeightedReader(node: reader, channels: channels))
        }
      }
    }
    return result
  }

  /// The figures of one channel of a value: its share of the value's range, and the noise from rounding in its readers.
  private struct ChannelNoise {
    let share: Float
    var activation = 0.0
    var weight = 0.0
  }

  private static func noise(
    of value: ValueID, _ ranges: [ValueID: ChannelRange], _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) throws(GraphError) -> [ChannelNoise] {
    guard let range = ranges[value] else { return [] }
    // A map with values that are not finite is not equalised.
    let shares = range.shares ?? [Float](repeating: 1, count: range.channels)
    var noise = shares.map { ChannelNoise(share: $0) }
    for reader in weightedReaders(of: value, channels: range.channels, graph, consumers) {
      do throws(GraphError) {
        add(try WeightLayout(reader.node, inputs: reader.channels.count), of: reader.channels, to: &noise)
      } catch {
        throw .at(node: reader.node.name, error)
      }
    }
    return noise
  }

  /// Adds the noise in a reader's outputs from rounding each channel, and from rounding the reader's weights.
  ///
  /// - Parameter channels: for each channel that the reader reads, its index in `noise`.
  private static func add(_ layout: WeightLayout, of channels: [Int], to noise: inout [ChannelNoise]) {
    let taps = Double(layout.length / layout.depth)
    var energies = [Double](repeating: 0, count: channels.count)
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
          // The sum over a group is stored at the group's first channel.
          steps[first] += Double(largest) * Double(largest)
        }
      }
    }
    layout.weight.releasePages()
    for (channel, target) in channels.enumerated() {
      let group = channel / layout.depth * layout.depth
      guard steps[group] > 0 else { continue }
      // Relative to the weights' squares, so that all readers count the same.
      noise[target].activation += energies[channel] / (steps[group] * taps)
      if layout.depth > 1 {
        let share = Double(noise[target].share)
        noise[target].weight += (255.0 * 255) / (127 * 127) * meanSquareShare * share * share
      }
    }
  }
}
