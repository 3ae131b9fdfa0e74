import Graphs
import Operators
import Tensors

/// Layers that only some families have.
extension GraphBuilder {
  /// Appends a layer norm over the channels of a map or of rows.
  mutating func layerNorm(_ name: String, _ layer: Layer, epsilon: Double) -> Layer {
    let constants = [
      "weight": state.take("\(prefix)\(name).weight", rank: 1), "bias": state.take("\(prefix)\(name).bias", rank: 1),
    ]
    return layer.with(
      graph.append(LayerNormalization(epsilon: epsilon), name: name, inputs: [layer.value], constants: constants))
  }

  /// Appends a linear layer on each pixel as a 1x1 convolution. Its weight may be stored with two axes or with four.
  mutating func pointwise(_ name: String, _ map: Layer) -> Layer {
    let key = "\(prefix)\(name).weight"
    var weight = state.take(key, rank: state.shape(key)?.rank == 4 ? 4 : 2).contiguous()
    let outputs = weight.shape[0]
    weight = weight.reshaped([outputs, 1, 1, weight.elementCount / outputs])
    var constants = ["weight": weight]
    if let bias = state.takeIfPresent("\(prefix)\(name).bias", rank: 1) { constants["bias"] = bias }
    return Layer(
      value: graph.append(Convolution(window: Window(1)), name: name, inputs: [map.value], constants: constants),
      channels: outputs)
  }

  /// Appends a factor for each channel, in the form of a batch norm, which is folded into the layer before it. The
  /// tensor of this name has all factors along its first axis.
  mutating func channelFactors(_ name: String, _ map: Layer) -> Layer {
    map.with(
      graph.append(
        BatchNormalization(epsilon: 0), name: name, inputs: [map.value],
        constants: BatchNormalization.affineConstants(scale: channels(name, ranks: [1, 3]))))
  }

  /// Takes a tensor of one of some ranks that has one element for each channel.
  private mutating func channels(_ name: String, ranks: Set<Int>) -> Tensor {
    let key = "\(prefix)\(name)"
    let rank = state.shape(key)?.rank ?? 1
    let stored = state.take(key, rank: ranks.contains(rank) ? rank : 1).contiguous()
    return stored.reshaped([stored.elementCount])
  }

  /// Appends global response normalisation (Woo et al., arXiv 2301.00808, section 4), `x (weight y + 1) + bias` with
  /// the responses y of `ChannelResponse`. The offset is a batch norm, which can be folded into the next layer. The
  /// tensors are [C] or [1, 1, 1, C].
  mutating func responseNormalization(
    _ name: String, _ map: Layer, weight: String, bias: String, epsilon: Double
  ) -> Layer {
    let (weight, bias) = (channels(weight, ranks: [1, 4]), channels(bias, ranks: [1, 4]))
    let ones = Tensor([Float](repeating: 1, count: weight.elementCount))
    let responses = graph.append(
      ChannelResponse(epsilon: epsilon), name: "\(name).responses", inputs: [map.value])
    let factors = graph.append(
      BatchNormalization(epsilon: 0), name: "\(name).factors", inputs: [responses],
      constants: BatchNormalization.affineConstants(scale: weight, shift: ones))
    let scaled = graph.append(ChannelScaling(), name: name, inputs: [map.value, factors])
    return map.with(
      graph.append(
        BatchNormalization(epsilon: 0), name: "\(name).shift", inputs: [scaled],
        constants: BatchNormalization.affineConstants(
          scale: Tensor([Float](repeating: 1, count: bias.elementCount)), shift: bias)))
  }

  /// Appends a PReLU with a slope for each channel.
  mutating func prelu(_ name: String, _ map: Layer) -> Layer {
    let slope = state.take("\(prefix)\(name).weight", rank: 1)
    return map.with(graph.append(PReLU(), name: name, inputs: [map.value], constants: ["slope": slope]))
  }

  /// Appends a linear layer on all elements of a map in the order of channels, rows and columns, as a convolution whose
  /// window is the whole map, which has to be square. This fixes the size of the image.
  ///
  /// - Parameter reduction: the ratio of the image's side to the map's.
  /// - Throws: `ImportError.badTensor` where the weight fits no square map of the layer's channels.
  mutating func flattened(_ name: String, _ map: Layer, reduction: Int) throws(ImportError) -> Layer {
    let key = "\(prefix)\(name).weight"
    let weight = state.take(key, rank: 2).contiguous()
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let side = Int(Double(inputs / max(1, map.channels)).squareRoot())
    guard side > 0, side <= 64, side * side * map.channels == inputs else {
      // A missing weight is reported as such.
      guard state.contains(key) else { return map }
      throw .badTensor(
        name: key, problem: "reads \(inputs) elements, which are no square map of \(map.channels) channels")
    }
    var constants = ["weight": weight.reshaped([outputs, map.channels, side, side]).permuted([0, 2, 3, 1])]
    if let bias = state.takeIfPresent("\(prefix)\(name).bias", rank: 1) { constants["bias"] = bias }
    fixedImageSize = FixedImageSize(height: side * reduction, width: side * reduction)
    return Layer(
      value: graph.append(Convolution(window: Window(side)), name: name, inputs: [map.value], constants: constants),
      channels: outputs)
  }
}
