import ModelImport
import ReferenceOperators
import Tensors

/// A ResNet of a few channels as a list of tensors in PyTorch's layout, and its evaluation written from the papers: maps
/// are C x H x W in double precision, weights OIHW.
struct ToyResNet {
  var depths: [Int]
  var isBottleneck = false
  var groups = 1
  /// The width of the first stage; of its last convolution, with a bottleneck, four times that.
  var width = 4
  var prefix = "features."
  var classifier: String? = "classifier"
  var isWhitened = false
  var exponent: Float? = 3
  var seed: UInt64 = 1

  private(set) var tensors: [(name: String, tensor: Tensor)] = []
  private var random = SplitMix64(seed: 0)

  init(_ depths: [Int], _ change: (inout ToyResNet) -> Void = { _ in }) {
    self.depths = depths
    change(&self)
    random = SplitMix64(seed: seed)
    addTensors()
  }

  var expansion: Int { isBottleneck ? 4 : 1 }
  var channels: Int { width << (depths.count - 1) * expansion }

  var state: StateDictionary { StateDictionary(tensors) }

  subscript(name: String) -> Tensor? {
    get { tensors.first { $0.name == name }?.tensor }
    set {
      let index = tensors.firstIndex { $0.name == name }
      if let newValue {
        if let index { tensors[index].tensor = newValue } else { tensors.append((name, newValue)) }
      } else if let index {
        tensors.remove(at: index)
      }
    }
  }

  mutating func removeAll(where test: (String) -> Bool) { tensors.removeAll { test($0.name) } }

  // MARK: - Tensors

  private mutating func addConvolution(_ name: String, _ outputs: Int, _ inputs: Int, _ size: Int, groups: Int = 1) {
    let shape: Shape = [outputs, inputs / groups, size, size]
    let spread = 2 / Float(shape.elementCount / outputs).squareRoot()
    tensors.append(
      ("\(prefix)\(name).weight", Tensor(random.floats(shape.elementCount, -spread...spread), shape: shape)))
  }

  private mutating func addNorm(_ name: String, _ channels: Int) {
    tensors += [
      ("\(prefix)\(name).weight", Tensor(random.floats(channels, 0.5...1.5))),
      ("\(prefix)\(name).bias", Tensor(random.floats(channels, -0.5...0.5))),
      ("\(prefix)\(name).running_mean", Tensor(random.floats(channels, -0.5...0.5))),
      ("\(prefix)\(name).running_var", Tensor(random.floats(channels, 0.5...2))),
      ("\(prefix)\(name).num_batches_tracked", Tensor([Int64(7)], shape: [])),
    ]
  }

  private mutating func addTensors() {
    addConvolution("conv1", width, 3, 7)
    addNorm("bn1", width)
    var inputs = width
    for (stage, depth) in depths.enumerated() {
      let planes = width << stage
      for block in 0..<depth {
        let name = "layer\(stage + 1).\(block)"
        for (index, layer) in layers(planes, inputs, isFirst: block == 0, stage: stage).enumerated() {
          addConvolution("\(name).conv\(index + 1)", layer.outputs, layer.inputs, layer.size, groups: layer.groups)
          addNorm("\(name).bn\(index + 1)", layer.outputs)
        }
        if block == 0, stage > 0 || inputs != planes * expansion {
          addConvolution("\(name).downsample.0", planes * expansion, inputs, 1)
          addNorm("\(name).downsample.1", planes * expansion)
        }
        inputs = planes * expansion
      }
    }
    if let exponent { tensors.append(("pool.p", Tensor([exponent], shape: []))) }
    var dimension = channels
    if isWhitened {
      dimension += 1
      tensors.append(
        ("whitening.pca.pca_P", Tensor(random.floats(dimension * dimension), shape: [dimension, dimension])))
      tensors.append(("whitening.pca.pca_m", Tensor(random.floats(dimension, -0.1...0.1))))
    }
    if let classifier {
      tensors.append(("\(classifier).weight", Tensor(random.floats(6 * dimension), shape: [6, dimension])))
      tensors.append(("\(classifier).bias", Tensor(random.floats(6))))
    }
  }

  private struct Layer {
    var outputs: Int
    var inputs: Int
    var size: Int
    var stride: Int
    var groups: Int
  }

  private func layers(_ planes: Int, _ inputs: Int, isFirst: Bool, stage: Int) -> [Layer] {
    let stride = isFirst && stage > 0 ? 2 : 1
    return isBottleneck
      ? [
        Layer(outputs: planes, inputs: inputs, size: 1, stride: 1, groups: 1),
        Layer(outputs: planes, inputs: planes, size: 3, stride: stride, groups: groups),
        Layer(outputs: 4 * planes, inputs: planes, size: 1, stride: 1, groups: 1),
      ]
      : [
        Layer(outputs: planes, inputs: inputs, size: 3, stride: stride, groups: 1),
        Layer(outputs: planes, inputs: planes, size: 3, stride: 1, groups: 1),
      ]
  }

  // MARK: - Evaluation

  private struct Map {
    var channels: Int
    var height: Int
    var width: Int
    var values: [Double]

    func at(_ c: Int, _ y: Int, _ x: Int) -> Double? {
      (0..<height).contains(y) && (0..<width).contains(x) ? values[(c * height + y) * width + x] : nil
    }

    func mapped(_ size: (height: Int, width: Int), _ channels: Int, _ value: (Int, Int, Int) -> Double) -> Map {
      var result = Map(channels: channels, height: size.height, width: size.width, values: [])
      for c in 0..<channels {
        for y in 0..<size.height { for x in 0..<size.width { result.values.append(value(c, y, x)) } }
      }
      return result
    }
  }

  private func doubles(_ name: String) -> [Double] {
    self[name].flatMap { $0.asFloat32() }?.elements(as: Float.self).map { Double($0) } ?? []
  }

  private func convolved(_ map: Map, _ name: String, stride: Int) -> Map {
    guard let shape = self["\(prefix)\(name).weight"]?.shape else { return map }
    let (weight, size, pad) = (doubles("\(prefix)\(name).weight"), shape[2], shape[2] / 2)
    let groups = map.channels / shape[1]
    func extent(_ side: Int) -> Int { (side + 2 * pad - size) / stride + 1 }
    return map.mapped((extent(map.height), extent(map.width)), shape[0]) { o, y, x in
      let first = o / (shape[0] / groups) * shape[1]
      var sum = 0.0
      for i in 0..<shape[1] {
        for ky in 0..<size {
          for kx in 0..<size {
            let pixel = map.at(first + i, y * stride + ky - pad, x * stride + kx - pad) ?? 0
            sum += pixel * weight[((o * shape[1] + i) * size + ky) * size + kx]
          }
        }
      }
      return sum
    }
  }

  private func normed(_ map: Map, _ name: String) -> Map {
    let (scale, shift) = (doubles("\(prefix)\(name).weight"), doubles("\(prefix)\(name).bias"))
    let (mean, variance) = (doubles("\(prefix)\(name).running_mean"), doubles("\(prefix)\(name).running_var"))
    return map.mapped((map.height, map.width), map.channels) { c, y, x in
      ((map.at(c, y, x) ?? 0) - mean[c]) / (variance[c] + 1e-5).squareRoot() * scale[c] + shift[c]
    }
  }

  private func rectified(_ map: Map) -> Map {
    var result = map
    result.values = map.values.map { max($0, 0) }
    return result
  }

  /// The embedding, its normalised form and the logits of one H x W x 3 image of normalised values.
  func evaluate(
    _ image: [Double], height: Int, width: Int, power: (Double, Double) -> Double
  ) -> (normalized: [Double], embedding: [Double], logits: [Double]) {
    let input = Map(channels: 3, height: height, width: width, values: [])
      .mapped((height, width), 3) { c, y, x in image[(y * width + x) * 3 + c] }
    var map = rectified(normed(convolved(input, "conv1", stride: 2), "bn1"))
    let stem = map
    map = stem.mapped(((stem.height - 1) / 2 + 1, (stem.width - 1) / 2 + 1), stem.channels) { c, y, x in
      var largest = -Double.infinity
      for ky in -1...1 { for kx in -1...1 { largest = max(largest, stem.at(c, 2 * y + ky, 2 * x + kx) ?? -.infinity) } }
      return largest
    }
    for (stage, depth) in depths.enumerated() {
      for block in 0..<depth {
        let name = "layer\(stage + 1).\(block)"
        var shortcut = map
        if self["\(prefix)\(name).downsample.0.weight"] != nil {
          shortcut = convolved(map, "\(name).downsample.0", stride: stage > 0 && block == 0 ? 2 : 1)
          shortcut = normed(shortcut, "\(name).downsample.1")
        }
        let layers = layers(self.width << stage, map.channels, isFirst: block == 0, stage: stage)
        for (index, layer) in layers.enumerated() {
          map = normed(convolved(map, "\(name).conv\(index + 1)", stride: layer.stride), "\(name).bn\(index + 1)")
          if index < layers.count - 1 { map = rectified(map) }
        }
        map.values = zip(map.values, shortcut.values).map { $0 + $1 }
        map = rectified(map)
      }
    }
    return head(map, power)
  }

  private func head(
    _ map: Map, _ power: (Double, Double) -> Double
  ) -> (normalized: [Double], embedding: [Double], logits: [Double]) {
    // Without a stored exponent: a classifier's average, or the paper's for a trunk alone.
    let p = Double(exponent ?? (classifier == nil ? 3 : 1))
    let pixels = map.height * map.width
    var embedding = (0..<map.channels).map { c in
      power((0..<pixels).reduce(0) { $0 + power(max(map.values[c * pixels + $1], 1e-6), p) } / Double(pixels), 1 / p)
    }
    func normalized(_ vector: [Double]) -> [Double] {
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot() + 1e-6
      return vector.map { $0 / norm }
    }
    if isWhitened {
      let (projection, mean) = (doubles("whitening.pca.pca_P"), doubles("whitening.pca.pca_m"))
      let centred = zip(normalized(embedding + [1]), mean).map { $0 - $1 }
      embedding = centred.indices.map { column in
        centred.indices.reduce(0) { $0 + centred[$1] * projection[$1 * centred.count + column] }
      }
    }
    guard let classifier else { return (normalized(embedding), embedding, []) }
    let (weight, bias) = (doubles("\(classifier).weight"), doubles("\(classifier).bias"))
    let logits = bias.indices.map { n in
      embedding.indices.reduce(bias[n]) { $0 + embedding[$1] * weight[n * embedding.count + $1] }
    }
    return (normalized(embedding), embedding, logits)
  }
}
