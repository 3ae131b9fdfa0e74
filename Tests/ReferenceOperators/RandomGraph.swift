import Graphs
import Operators
import Tensors

/// Random small float graphs of convolutions, norms, activations, additions and poolings, with a head of rows; "rich" ones
/// also pad, crop, concatenate, average and reweight.
package struct RandomGraph {
  package private(set) var graph: Graph
  private var random: SplitMix64
  /// Maps that may be read again, with their channels and how often their size was halved.
  private var maps: [(value: ValueID, channels: Int, level: Int)]
  private var count = 0
  private var isPlain = false
  private var isRich = false

  /// The least side of an image that every such graph takes.
  package static let side = 16

  /// - Parameter isPlain: without norms and without maps among the outputs.
  /// - Parameter isRich: with every operator of maps, whose sizes then differ.
  package static func make(seed: UInt64, nodes: Int = 14, isPlain: Bool = false, isRich: Bool = false) -> Graph {
    var builder = RandomGraph(seed: seed)
    builder.isPlain = isPlain
    builder.isRich = isRich
    builder.build(nodes: nodes)
    return builder.graph
  }

  private init(seed: UInt64) {
    graph = Graph(architecture: "random", preprocessing: .imageNet)
    random = SplitMix64(seed: seed)
    maps = [(graph.input, 3, 0)]
  }

  private mutating func build(nodes: Int) {
    convolution(of: 0)
    for _ in 0..<nodes {
      // Late maps mostly, so that chains grow long; a chance for each of the others makes shared values.
      let index = random.chance(0.7) ? maps.count - 1 : random.int(1...maps.count - 1)
      if isRich, random.chance(0.5) {
        richNode(of: index)
        continue
      }
      switch random.int(0...9) {
      case 0...2: convolution(of: index)
      case 3, 4: if isPlain { convolution(of: index) } else { batchNormalization(of: index) }
      case 5, 6: append(ReLU(), "relu", [index], channels: maps[index].channels, level: maps[index].level)
      case 7, 8: addition()
      default: maxPooling(of: index)
      }
    }
    let last = random.pick(Array(maps.suffix(2)))
    let pooled = graph.append(
      GeneralizedMeanPooling(exponent: random.pick([1, 3])), name: "pool", inputs: [last.value])
    let weight = Tensor(random.floats(5 * last.channels), shape: [5, last.channels])
    let logits = graph.append(
      Linear(), name: "fc", inputs: [pooled], constants: ["weight": weight, "bias": Tensor(random.floats(5))])
    let normalized = graph.append(L2Normalization(), name: "normalize", inputs: [pooled])
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.logits, value: logits),
    ]
    if !isPlain, random.chance(0.4) { graph.outputs.append(GraphOutput(name: "map", value: random.pick(maps).value)) }
  }

  private mutating func append(
    _ op: any Operator, _ name: String, _ indices: [Int], constants: [String: Tensor] = [:], channels: Int, level: Int
  ) {
    count += 1
    let value = graph.append(
      op, name: "\(name)\(count)", inputs: indices.map { maps[$0].value }, constants: constants)
    maps.append((value, channels, level))
  }

  private mutating func convolution(of index: Int) {
    let map = maps[index]
    let size = random.pick([1, 3])
    let stride = map.level < 2 && random.chance(0.3) ? 2 : 1
    let groups = map.channels % 4 == 0 && random.chance(0.2) ? random.pick([2, map.channels]) : 1
    let outputs = groups > 1 ? map.channels : random.pick([4, 8, 8, 12])
    let shape: Shape = [outputs, size, size, map.channels / groups]
    let spread = 1 / Float(size * size * map.channels / groups).squareRoot()
    var constants = ["weight": Tensor(random.floats(shape.elementCount, -2 * spread...2 * spread), shape: shape)]
    if random.chance(0.4) { constants["bias"] = Tensor(random.floats(outputs)) }
    var window = Window(size, stride: stride, padding: size / 2)
    // Of as many positions, but others for maps of even height or width.
    if stride > 1, outputs != 8 { window.padLikeTensorFlow() }
    append(
      Convolution(window: window, groups: groups), "conv", [index],
      constants: constants, channels: outputs, level: map.level + stride - 1)
  }

  private mutating func batchNormalization(of index: Int) {
    let channels = maps[index].channels
    append(
      BatchNormalization(epsilon: 1e-5), "bn", [index],
      constants: [
        "scale": Tensor(random.floats(channels, 0.5...1.5)), "shift": Tensor(random.floats(channels)),
        "mean": Tensor(random.floats(channels)), "variance": Tensor(random.floats(channels, 0.3...2)),
      ], channels: channels, level: maps[index].level)
  }

  private mutating func maxPooling(of index: Int) {
    let map = maps[index]
    guard map.level < 2 else { return }
    append(
      MaxPooling(window: Window(3, stride: 2, padding: 1)), "maxpool", [index], channels: map.channels,
      level: map.level + 1)
  }

  /// Adds two maps of one shape, if there are any.
  private mutating func addition() {
    let least = isPlain ? 1 : 0
    let first = random.chance(0.7) ? maps.count - 1 : random.int(least...maps.count - 1)
    let partners = maps.indices.filter {
      $0 >= least && maps[$0].channels == maps[first].channels && maps[$0].level == maps[first].level
    }
    let second = random.pick(partners)
    append(
      Addition(), "add", random.chance(0.5) ? [first, second] : [second, first], channels: maps[first].channels,
      level: maps[first].level)
  }

  /// One of what only rich graphs have, in the combinations that passes look for.
  private mutating func richNode(of index: Int) {
    let map = maps[index]
    switch random.int(0...12) {
    case 0:  // padded and cropped around a window
      append(
        ZeroPadding(MapMargins(top: random.int(0...1), left: 1, bottom: random.int(0...1))), "pad", [index],
        channels: map.channels, level: map.level)
      let padded = maps.count - 1
      switch random.int(0...2) {
      case 0: convolution(of: padded)
      case 1: maxPooling(of: padded)
      default: averagePooling(of: padded)
      }
      if random.chance(0.7) {
        let last = maps[maps.count - 1]
        append(
          Cropping(MapMargins(top: 1, left: random.int(0...1))), "crop", [maps.count - 1], channels: last.channels,
          level: last.level)
      }
      if random.chance(0.5) { batchNormalization(of: maps.count - 1) }
    case 1:  // a factorised reduction, or what is like it
      guard map.level < 2 else { return }
      append(
        Cropping(MapMargins(top: 1, left: 1)), "crop", [index], channels: map.channels, level: map.level)
      append(
        AveragePooling(window: Window(1, stride: 2), countsPadding: false), "sample", [maps.count - 1],
        channels: map.channels, level: map.level + 1)
      convolution(of: maps.count - 1)
    case 2, 3:
      let other = random.int(0...maps.count - 1)
      append(
        Concatenation(), "concat", [index, other], channels: map.channels + maps[other].channels,
        level: max(map.level, maps[other].level))
      if random.chance(0.5) { batchNormalization(of: maps.count - 1) }
      if random.chance(0.5) {
        append(ReLU(), "relu", [maps.count - 1], channels: maps[maps.count - 1].channels, level: map.level)
      }
    case 4: averagePooling(of: index)
    case 5:
      append(
        Nonlinearity(random.pick(Nonlinearity.functions)), "nonlinearity", [index], channels: map.channels,
        level: map.level)
    case 6: selection(of: index)
    case 7: resizing(of: index)
    case 8: clip(of: index)
    case 9: random.chance(0.8) ? scaledByChannel(of: index) : responseNormalization(of: index)
    case 10, 11: product(of: index)
    default:
      let squeezed = graph.append(
        GeneralizedMeanPooling(exponent: 1), name: "squeeze\(count)", inputs: [map.value])
      let factors = factors(from: squeezed, channels: map.channels)
      count += 1
      let scaled = graph.append(ChannelScaling(), name: "scale\(count)", inputs: [map.value, factors])
      maps.append((scaled, map.channels, map.level))
      if random.chance(0.5) { addition() }
      if random.chance(0.5) {
        append(ReLU(), "relu", [maps.count - 1], channels: maps[maps.count - 1].channels, level: map.level)
      }
    }
  }

  /// Factors for channels from their means: by a sigmoid, at times after a convolution along the channels, or by a
  /// softmax over two halves.
  private mutating func factors(from means: ValueID, channels: Int) -> ValueID {
    if channels % 2 == 0, random.chance(0.3), let op = try? Softmax(branches: 2, stride: channels / 2) {
      return graph.append(op, name: "softmax\(count)", inputs: [means])
    }
    var means = means
    if random.chance(0.3), let op = try? ChannelConvolution(before: 1) {
      means = graph.append(
        op, name: "interaction\(count)", inputs: [means], constants: ["weight": Tensor(random.floats(3))])
    }
    return graph.append(Sigmoid(), name: "sigmoid\(count)", inputs: [means])
  }

  /// Half of the channels or a shuffle.
  private mutating func selection(of index: Int) {
    let (count, level) = (maps[index].channels, maps[index].level)
    var channels = Array(0..<count)
    if count > 4, random.chance(0.5) {
      channels = Array(random.chance(0.5) ? channels.prefix(count / 2) : channels.suffix(count / 2))
    } else if count % 2 == 0 {
      channels = channels.map { $0 % 2 * (count / 2) + $0 / 2 }
    }
    guard let op = try? ChannelSelection(channels) else { return }
    append(op, "select", [index], channels: channels.count, level: level)
  }

  private mutating func resizing(of index: Int) {
    let map = maps[index]
    guard map.level > 0,
      let op = try? Resizing(
        random.pick(Resizing.Interpolation.allCases), alignment: random.pick(Resizing.Alignment.allCases),
        extent: .factors(height: 2, width: 2))
    else { return }
    append(op, "resize", [index], channels: map.channels, level: map.level - 1)
  }

  /// A clip of what epilogues clip, or of anything else.
  private mutating func clip(of index: Int) {
    if random.chance(0.5) { addition() }
    let map = random.chance(0.7) ? maps.count - 1 : index
    let bounds: (Double, Double) = random.pick([(0, 6), (-1, 1), (-.infinity, 0.75), (0.25, .infinity)])
    guard let clip = try? Clip(minimum: bounds.0, maximum: bounds.1) else { return }
    append(clip, "clip", [map], channels: maps[map].channels, level: maps[map].level)
  }

  /// A PReLU or a layer norm, perhaps with a norm behind it.
  private mutating func scaledByChannel(of index: Int) {
    let (channels, level) = (maps[index].channels, maps[index].level)
    if random.chance(0.4) {
      append(
        PReLU(), "prelu", [index], constants: ["slope": Tensor(random.floats(channels, -0.2...0.6))],
        channels: channels, level: level)
    } else {
      append(
        LayerNormalization(epsilon: 1e-3), "layernorm", [index],
        constants: [
          "weight": Tensor(random.floats(channels, 0.5...1.5)), "bias": Tensor(random.floats(channels)),
        ], channels: channels, level: level)
    }
    if random.chance(0.4) { batchNormalization(of: maps.count - 1) }
  }

  /// `x + (a x f + b)` with the responses f of the channels, perhaps before a convolution of single pixels.
  private mutating func responseNormalization(of index: Int) {
    let map = maps[index]
    count += 1
    let factors = graph.append(ChannelResponse(epsilon: 1e-6), name: "responses\(count)", inputs: [map.value])
    let scaled = graph.append(ChannelScaling(), name: "responsescale\(count)", inputs: [map.value, factors])
    maps.append((scaled, map.channels, map.level))
    if random.chance(0.8) { batchNormalization(of: maps.count - 1) }
    append(Addition(), "add", [index, maps.count - 1], channels: map.channels, level: map.level)
    if random.chance(0.5) { convolution(of: maps.count - 1) }
  }

  /// The product of a map and a gate for each element or for each pixel, or of two maps.
  private mutating func product(of index: Int) {
    let map = maps[index]
    let gates = random.pick([map.channels, 1])
    let partners = maps.indices.filter { maps[$0].channels == map.channels && maps[$0].level == map.level }
    var factor = random.pick(partners)
    if gates == 1 || random.chance(0.7) {
      let spread = 1 / Float(map.channels).squareRoot()
      append(
        Convolution(window: Window(1)), "gateconv", [index],
        constants: [
          "weight": Tensor(
            random.floats(gates * map.channels, -2 * spread...2 * spread), shape: [gates, 1, 1, map.channels])
        ], channels: gates, level: map.level)
      append(Nonlinearity(.sigmoid), "gate", [maps.count - 1], channels: gates, level: map.level)
      factor = maps.count - 1
    }
    append(Multiplication(), "product", [index, factor], channels: map.channels, level: map.level)
  }

  private mutating func averagePooling(of index: Int) {
    let map = maps[index]
    let stride = map.level < 2 ? random.int(1...2) : 1
    append(
      AveragePooling(window: Window(3, stride: stride, padding: 1), countsPadding: random.chance(0.5)), "avgpool",
      [index], channels: map.channels, level: map.level + stride - 1)
  }
}
