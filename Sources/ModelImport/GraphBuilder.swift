import Graphs
import Operators
import Tensors

/// Builds a graph from a state dictionary, with one call per layer. Layers are named as in the checkpoint.
struct GraphBuilder {
  var graph: Graph
  var state: StateDictionary
  /// The prefix of the trunk's keys in the checkpoint, such as "features.".
  let prefix: String
  /// The architecture's names of modules by the file's, where these differ. `state` already has the architecture's.
  let aliases: [String: String]
  /// The structure as far as the user states it.
  let options: StructureOptions
  /// What the network depends on and neither the checkpoint nor the user states.
  private(set) var assumptions: [ImportAssumption] = []
  /// The names of the options that this network depends on, whether they are set or not.
  private(set) var usedOptions: Set<String> = []
  /// Whether strided convolutions pad as TensorFlow's "SAME" does, by an amount that depends on the size of the map.
  var padsLikeTensorFlow = false
  /// With `padsLikeTensorFlow`: the side of the map of the next convolution with a stride, where all images are padded
  /// like those of a single size; `nil` where the padding follows from the size of each map. Such networks have their
  /// strides one after the other.
  var paddedSide: Int?
  /// The only size of images that the network can take, where a layer reads all pixels of a map. The trunk's map has a
  /// single pixel then, and is not pooled.
  var fixedImageSize: FixedImageSize?
  /// Whether the network has a batch norm with the epsilon of its architecture.
  private var hasBatchNorms = false
  private let epsilon: Double

  /// - Parameter preprocessing: the user's; `nil` for that of the conventions.
  init(
    architecture: String, conventions: TrunkConventions, preprocessing: Preprocessing?, state: StateDictionary,
    prefix: String, aliases: [String: String] = [:], options: StructureOptions
  ) {
    graph = Graph(architecture: architecture, preprocessing: preprocessing ?? conventions.preprocessing)
    self.state = state
    self.prefix = prefix
    self.aliases = aliases
    self.options = options
    epsilon = options.batchNormEpsilon ?? conventions.batchNormEpsilon
  }

  /// Records an assumption.
  ///
  /// - Parameters:
  ///   - option: the option that changes it, if there is one.
  ///   - isDoubtful: whether networks with the same tensors for which it does not hold are in wide use.
  mutating func assume(_ statement: String, option: String? = nil, isDoubtful: Bool = false) {
    assumptions.append(ImportAssumption(statement, option: option, isDoubtful: isDoubtful))
  }

  /// Records that the network depends on an option. Options that are set but not used are errors.
  mutating func use(_ option: String) { usedOptions.insert(option) }

  /// The value that the user states, or else a default, which is then recorded as an assumption.
  ///
  /// - Parameters:
  ///   - value: the user's; `nil` where the option is not set.
  ///   - option: its name.
  ///   - statement: the assumption, where the default is used.
  ///   - change: the option, with a value where there is only one alternative, that changes the assumption.
  mutating func choose<Value>(
    _ value: Value?, or fallback: Value, _ option: String, assuming statement: String, change: String
  ) -> Value {
    use(option)
    if value == nil { assume(statement, option: change) }
    return value ?? fallback
  }

  /// Records the assumed epsilon of batch norms, unless the user states it.
  mutating func assumeEpsilon() {
    guard hasBatchNorms else { return }
    _ = choose(
      options.batchNormEpsilon, or: epsilon, "--bn-epsilon", assuming: "batch norms add \(epsilon) to the variance",
      change: "--bn-epsilon")
  }

  /// Appends a convolution. Kernel size, channels and groups come from the shape of the weight.
  ///
  /// - Parameters:
  ///   - inputChannels: the channels of the map that it reads, from which the number of groups follows.
  ///   - padding: zeros at each edge; by default half the dilated kernel, which keeps the map's size at stride 1. With
  ///     `padsLikeTensorFlow`, a stride has TensorFlow's padding instead.
  mutating func convolution(
    _ name: String, _ input: ValueID, inputChannels: Int, stride: Int = 1, padding: Int? = nil, dilation: Int = 1
  ) -> Layer {
    // PyTorch stores weights as OIHW; a permuted view reads them as OHWI.
    let weight = state.take("\(prefix)\(name).weight", rank: 4).permuted([0, 2, 3, 1])
    let (height, width) = (weight.shape[1], weight.shape[2])
    if padding == nil, height % 2 == 0 || width % 2 == 0 {
      state.note(
        .badTensor(
          name: "\(prefix)\(name).weight",
          problem: "is a kernel of \(height)x\(width), and only odd kernels have a padding that keeps the map's size"))
    }
    var window = Window(height: height, width: width, stride: stride)
    // The bound keeps the product from overflowing; a kernel that large fails the shape checks later.
    let edgePadding = { (extent: Int) in padding ?? dilation * (min(extent, 1 << 16) / 2) }
    (window.top, window.bottom) = (edgePadding(height), edgePadding(height))
    (window.left, window.right) = (edgePadding(width), edgePadding(width))
    (window.dilationHeight, window.dilationWidth) = (dilation, dilation)
    if padsLikeTensorFlow, padding == nil, stride > 1 {
      window.padLikeTensorFlow()
      if let side = paddedSide {
        window = window.resolved(height: side, width: side)
        paddedSide = (side + stride - 1) / stride
      }
    }
    var constants = ["weight": weight]
    if let bias = state.takeIfPresent("\(prefix)\(name).bias", rank: 1) { constants["bias"] = bias }
    let groups = max(1, inputChannels / weight.shape[3])
    let output = graph.append(
      Convolution(window: window, groups: groups), name: name, inputs: [input], constants: constants)
    return Layer(value: output, channels: weight.shape[0])
  }

  mutating func batchNorm(_ name: String, _ layer: Layer) -> Layer {
    hasBatchNorms = true
    let constants = [
      "scale": state.take("\(prefix)\(name).weight", rank: 1), "shift": state.take("\(prefix)\(name).bias", rank: 1),
      "mean": state.take("\(prefix)\(name).running_mean", rank: 1),
      "variance": state.take("\(prefix)\(name).running_var", rank: 1),
    ]
    return layer.with(
      graph.append(
        BatchNormalization(epsilon: epsilon), name: name, inputs: [layer.value], constants: constants))
  }

  mutating func relu(_ name: String, _ layer: Layer) -> Layer {
    layer.with(graph.append(ReLU(), name: name, inputs: [layer.value]))
  }

  mutating func add(_ name: String, _ a: Layer, _ b: Layer) -> Layer {
    a.with(graph.append(Addition(), name: name, inputs: [a.value, b.value]))
  }

  mutating func concatenate(_ name: String, _ layers: [Layer]) -> Layer {
    Layer(
      value: graph.append(Concatenation(), name: name, inputs: layers.map(\.value)),
      channels: layers.reduce(0) { $0 + $1.channels })
  }

  mutating func averagePool(_ name: String, _ layer: Layer, window: Window) -> Layer {
    layer.with(
      graph.append(AveragePooling(window: window, countsPadding: false), name: name, inputs: [layer.value]))
  }

  mutating func pad(_ name: String, _ layer: Layer, _ margins: MapMargins) -> Layer {
    layer.with(graph.append(ZeroPadding(margins), name: name, inputs: [layer.value]))
  }

  mutating func crop(_ name: String, _ layer: Layer, _ margins: MapMargins) -> Layer {
    layer.with(graph.append(Cropping(margins), name: name, inputs: [layer.value]))
  }

  /// Appends a fully connected layer on rows [N, C]. Its weight may be stored as that of a 1x1 convolution.
  mutating func linear(_ name: String, _ rows: Layer) -> Layer {
    let key = "\(prefix)\(name).weight"
    var weight = state.take(key, rank: state.shape(key)?.rank == 4 ? 4 : 2).contiguous()
    weight = weight.reshaped([weight.shape[0], weight.elementCount / weight.shape[0]])
    var constants = ["weight": weight]
    if let bias = state.takeIfPresent("\(prefix)\(name).bias", rank: 1) { constants["bias"] = bias }
    return Layer(
      value: graph.append(Linear(), name: name, inputs: [rows.value], constants: constants),
      channels: weight.shape[0])
  }

  /// Whether the trunk has a tensor of this name.
  func has(_ name: String) -> Bool { state.contains(prefix + name) }

  mutating func maxPool(_ name: String, _ layer: Layer, window: Window) -> Layer {
    layer.with(graph.append(MaxPooling(window: window), name: name, inputs: [layer.value]))
  }
}

/// A value of the graph under construction, with its number of channels.
struct Layer {
  var value: ValueID
  var channels: Int

  func with(_ value: ValueID) -> Layer { Layer(value: value, channels: channels) }
}
