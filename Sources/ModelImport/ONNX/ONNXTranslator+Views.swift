import Checkpoints
import Graphs
import Operators
import Tensors

/// How translations make and read views.
extension ONNXTranslator {
  /// An input as a view; `nil` for constants and for intermediate values of other operators.
  mutating func view(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXView? {
    switch try value(node, index) {
    case .activation(let activation): return view(of: activation)
    case .step(.view(let view)): return view
    case .step(.reduced(let reduction)) where reduction.isPooled: return ONNXView(try activation(node, index))
    case .step(.cropped), .step(.padded), .step(.branches): return ONNXView(try activation(node, index))
    case .step, .constant: return nil
    }
  }

  /// An activation as a view; `nil` where the axes of its pixels are merged in a way that no view describes.
  func view(of activation: ONNXActivation) -> ONNXView? {
    if activation.isRow || activation.isMap { return ONNXView(activation) }
    guard let map = shapes[activation.value], map.rank == 4 else { return nil }
    let isLast = activation.isChannelsLast
    let shape: Shape =
      isLast
      ? [map.batch, map.height, map.width, map.channels] : [map.batch, map.channels, map.height, map.width]
    return ONNXView(activation.with(shape: shape, channelAxis: isLast ? 3 : 1)).reshaped(to: activation.shape)
  }

  /// Whether the first axis of an activation is the batch alone, and not merged with pixels.
  func hasBatchAxis(_ activation: ONNXActivation) -> Bool {
    activation.shape.dimensions.first == shapes[activation.value]?.dimensions.first
  }

  /// The value of a view: the base itself, where the view has all of its channels in order.
  func value(of view: ONNXView) -> ONNXValue {
    guard view.affine == nil, let layout = view.layout, layout.channels.elementsEqual(0..<view.base.channels) else {
      return .step(.view(view))
    }
    return .activation(view.base.with(shape: view.shape, channelAxis: layout.channelAxis))
  }

  /// A view, a sum of views, or probabilities that are not those of an output, as a value of the graph; `nil` for other
  /// steps, and where no operator computes it.
  mutating func read(_ step: ONNXStep, node: ONNXModel.Node) throws(ImportError) -> ONNXActivation? {
    switch step {
    case .view(let view): try read(view, node: node)
    case .branches(let views, _): try sum(of: views, node: node)
    case .probabilities(let row, "Softmax"): try softmax(row, node: node)
    default: nil
    }
  }

  private mutating func softmax(_ row: ONNXActivation, node: ONNXModel.Node) throws(ImportError) -> ONNXActivation {
    let op: Softmax
    do { op = try Softmax(branches: row.channels, stride: 1) } catch { throw bad(node, "\(error)") }
    return try appendKeepingShape(op, node: node, row)
  }

  /// The view as a value of the graph; `nil` where no operator computes it.
  mutating func read(_ view: ONNXView, node: ONNXModel.Node) throws(ImportError) -> ONNXActivation? {
    guard let layout = view.layout else { return try sample(view, node: node) }
    var base = view.base
    if let affine = view.affine {
      base = try appendScale(of: base, factors: affine.factors, offsets: affine.offsets, node: node)
    }
    return try select(layout.channels, of: base, node: node)
      .with(shape: view.shape, channelAxis: layout.channelAxis)
  }

  /// Every few rows and columns of a map, as a pooling with a window of one pixel; `nil` for other views.
  private mutating func sample(_ view: ONNXView, node: ONNXModel.Node) throws(ImportError) -> ONNXActivation? {
    guard view.affine == nil, let layout = view.blockLayout, let (row, column) = layout.sample else { return nil }
    var map = try select(layout.sources.map(\.channel), of: view.base, node: node)
    if row > 0 || column > 0 {
      map = map.replaced(by: try append(Cropping(MapMargins(top: row, left: column)), node: node, inputs: [map]).value)
    }
    let pooling = AveragePooling(window: Window(1, stride: layout.block), countsPadding: false)
    let sampled = try append(pooling, node: node, inputs: [map])
    let isLast = layout.channelAxis == 3
    let shape = view.shape
    let computed = shapes[sampled.value] ?? []
    guard computed.height == shape[isLast ? 1 : 2], computed.width == shape[isLast ? 2 : 3] else { return nil }
    return sampled.with(shape: shape, channelAxis: layout.channelAxis)
  }

  /// Some channels of a map or a vector. Equal selections share a node. A selection of one of the inputs of a
  /// concatenation reads that input, and one of scaled channels scales the selected ones, so that stacked branches are
  /// computed apart.
  ///
  /// - Returns: the selection, with the axes of `base`.
  mutating func select(
    _ channels: [Int], of base: ONNXActivation, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    var result = base
    result.shape.dimensions[base.channelAxis] = channels.count
    if channels.elementsEqual(0..<base.channels) { return result }
    let key = SelectionKey(base: base.value, channels: channels)
    if let cached = selections[key] {
      result.value = cached
      return result
    }
    try claimList(channels.count, node)
    if let producer = producer(of: base), let source = try source(of: channels, from: producer, node) {
      result.value = source
    } else {
      let op: ChannelSelection
      do throws(GraphError) { op = try ChannelSelection(channels) } catch { throw bad(node, "\(error)") }
      result.value = try append(op, node: node, inputs: [base]).value
    }
    selections[key] = result.value
    return result
  }

  /// A value that some channels of a node's output can be read from instead; `nil` if there is none.
  private mutating func source(
    of channels: [Int], from producer: Node, _ node: ONNXModel.Node
  ) throws(ImportError) -> ValueID? {
    func activation(_ slot: Int) -> ONNXActivation {
      let shape = shapes[producer.inputs[slot]] ?? []
      return ONNXActivation(
        value: producer.inputs[slot], shape: shape, isRow: shape.rank == 2, channelAxis: max(shape.rank - 1, 0))
    }
    switch producer.op {
    case let earlier as ChannelSelection:
      guard channels.allSatisfy(earlier.channels.indices.contains) else { return nil }
      return try select(channels.map { earlier.channels[$0] }, of: activation(0), node: node).value
    case is Concatenation:
      var first = 0
      for slot in producer.inputs.indices {
        let part = activation(slot)
        let range = first..<first + part.channels
        first = range.upperBound
        guard channels.allSatisfy(range.contains) else { continue }
        // Larger maps are cropped by the concatenation.
        let joined = shapes[producer.output] ?? []
        guard joined.dimensions.dropLast() == part.shape.dimensions.dropLast() else { return nil }
        return try select(channels.map { $0 - range.lowerBound }, of: part, node: node).value
      }
      return nil
    case is ChannelScaling where producer.inputs.count == 2:
      let map = try select(channels, of: activation(0), node: node)
      let factors = try select(channels, of: activation(1), node: node)
      return try append(producer.op, node: node, inputs: [map, factors]).value
    default: return nil
    }
  }

  // MARK: Joining

  /// Views that a concatenation puts side by side, where that selects channels of one base or stacks maps along a new
  /// axis; `nil` for other concatenations.
  mutating func joinedViews(_ node: ONNXModel.Node, axis: Int) throws(ImportError) -> ONNXValue? {
    try checkArity(Concatenation.arity, node.inputs.count, node)
    var views: [ONNXView] = []
    var areWhole = true
    for index in node.inputs.indices {
      switch try value(node, index) {
      case .activation(let activation):
        guard let view = view(of: activation) else { return nil }
        views.append(view)
      case .step(.view(let view)):
        views.append(view)
        areWhole = false
      case .step(.reduced(let reduction)) where reduction.isPooled && reduction.shape.rank != 4:
        views.append(ONNXView(try activation(node, index)))
      case .step, .constant: return nil
      }
    }
    if !areWhole, let joined = ONNXView.joined(views, axis: axis) { return value(of: joined) }
    return try stacked(views, axis: axis, node: node)
  }

  /// Maps or vectors stacked along a new axis: their concatenation, seen with that axis.
  private mutating func stacked(
    _ views: [ONNXView], axis: Int, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue? {
    guard axis > 0, views.count > 1, let shape = views.first?.shape, shape[axis] == 1 else { return nil }
    var parts: [ONNXActivation] = []
    for view in views {
      let removed = view.removing(axis: axis)
      guard view.shape == shape,
        view.axes.count == (view.base.isRow ? 3 : 5) || view.base.isRow && view.axes.count == 5,
        removed.layout != nil, let part = try read(removed, node: node),
        part.isRow == parts.first?.isRow ?? part.isRow,
        part.channelAxis == parts.first?.channelAxis ?? part.channelAxis
      else { return nil }
      parts.append(part)
    }
    var whole = parts[0]
    whole.value = try append(Concatenation(), node: node, inputs: parts).value
    whole.shape.dimensions[whole.channelAxis] *= parts.count
    // The new axis first, next to the channels, and then where it belongs.
    var dimensions = parts[0].shape.dimensions
    dimensions.insert(parts.count, at: whole.channelAxis)
    guard let view = ONNXView(whole).reshaped(to: Shape(dimensions)) else { return nil }
    var order = Array(dimensions.indices.filter { $0 != whole.channelAxis })
    order.insert(whole.channelAxis, at: axis)
    return value(of: view.permuted(order))
  }
}

extension ONNXActivation {
  /// Another value with the same axes.
  func replaced(by value: ValueID) -> ONNXActivation {
    var result = self
    result.value = value
    return result
  }
}
