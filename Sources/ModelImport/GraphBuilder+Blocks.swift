import Graphs
import Operators
import Tensors

/// Blocks of layers that several families have.
extension GraphBuilder {
  /// Appends an activation function.
  mutating func activate(_ name: String, _ layer: Layer, _ activation: StructureOptions.Activation) -> Layer {
    switch activation {
    case .relu: relu(name, layer)
    case .relu6: clip(name, layer, minimum: 0, maximum: 6)
    case .silu: layer.with(graph.append(Nonlinearity(.silu), name: name, inputs: [layer.value]))
    case .hardSwish: layer.with(graph.append(Nonlinearity(.hardSwish), name: name, inputs: [layer.value]))
    }
  }

  private mutating func clip(_ name: String, _ layer: Layer, minimum: Double, maximum: Double) -> Layer {
    do throws(GraphError) {
      return layer.with(
        graph.append(try Clip(minimum: minimum, maximum: maximum), name: name, inputs: [layer.value]))
    } catch {
      preconditionFailure("the bounds \(minimum) and \(maximum) are in order: \(error)")
    }
  }

  /// Appends a convolution, its batch norm, and an activation function unless that is `nil`.
  ///
  /// - Parameters:
  ///   - names: those of the convolution and of the norm.
  ///   - dilation: of the convolution.
  mutating func convNorm(
    _ names: LayerPair, _ layer: Layer, stride: Int = 1, dilation: Int = 1,
    activation: StructureOptions.Activation? = nil
  ) -> Layer {
    var result = convolution(
      names.convolution, layer.value, inputChannels: layer.channels, stride: stride, dilation: dilation)
    result = batchNorm(names.norm, result)
    return activation.map { activate("\(names.convolution).activation", result, $0) } ?? result
  }

  /// Squeeze-and-excitation (Hu et al., arXiv 1709.01507): `x * gate(expand(activation(reduce(mean of x))))`, with the
  /// mean over each channel's map.
  ///
  /// - Parameters:
  ///   - reduce: the name of the layer that reduces the channels, whose weight may be that of a 1x1 convolution.
  ///   - expand: the name of the layer that restores them.
  mutating func excite(
    _ name: String, _ map: Layer, reduce: String, expand: String, activation: StructureOptions.Activation = .relu,
    gate: ActivationFunction = .sigmoid
  ) -> Layer {
    let squeezed = graph.append(GeneralizedMeanPooling(exponent: 1), name: "\(name).avg_pool", inputs: [map.value])
    var rows = linear(reduce, Layer(value: squeezed, channels: map.channels))
    rows = linear(expand, activate("\(name).\(activation.rawValue)", rows, activation))
    let op: any Operator = gate == .sigmoid ? Sigmoid() : Nonlinearity(gate)
    let factors = graph.append(op, name: "\(name).\(gate.name)", inputs: [rows.value])
    return map.with(graph.append(ChannelScaling(), name: name, inputs: [map.value, factors]))
  }

  /// Takes the tensors of layers before the embedding out of the search for a classifier.
  mutating func reserve(_ neck: [NeckLayer]) {
    for layer in neck {
      switch layer {
      case .linear(let name), .layerNorm(let name, _):
        state.skip("\(prefix)\(name).weight")
        state.skip("\(prefix)\(name).bias")
      case .activation: break
      }
    }
  }

  /// Appends the layers between the pooled map and the embedding to rows.
  mutating func append(_ neck: [NeckLayer], on rows: Layer) -> Layer {
    neck.reduce(rows) { rows, layer in
      switch layer {
      case .linear(let name): linear(name, rows)
      case .activation(let activation, let name): activate(name, rows, activation)
      case .layerNorm(let name, let epsilon): layerNorm(name, rows, epsilon: epsilon)
      }
    }
  }
}

/// The names of a convolution and of the batch norm after it.
struct LayerPair {
  let convolution: String
  let norm: String

  init(_ convolution: String, _ norm: String) { (self.convolution, self.norm) = (convolution, norm) }
}
