import Checkpoints
import Graphs
import Operators
import Tensors

/// How translations add, pool and weight branches that are stacked or lie side by side in the channels of a map.
extension ONNXTranslator {
  /// The terms of a sum over an axis of a view; `nil` where the axis does not run over channels, or over more than the
  /// branches of a network.
  func branches(of view: ONNXView, axis: Int, keepsAxis: Bool) -> ONNXValue? {
    guard !view.axes[axis].isEmpty, view.affine == nil, view.axes[axis].allSatisfy({ $0.source == .channel }),
      view.shape[axis] <= 16
    else {
      return nil
    }
    var terms: [ONNXView] = []
    for index in 0..<view.shape[axis] {
      guard let term = view.selecting([index], axis: axis) else { return nil }
      terms.append(keepsAxis ? term : term.removing(axis: axis))
    }
    return .step(.branches(terms, shape: terms[0].shape))
  }

  /// The sum of views; `nil` where no operator computes one of them.
  mutating func sum(
    of views: [ONNXView], node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation? {
    var terms: [ONNXActivation] = []
    for view in views {
      guard let term = try read(view, node: node) else { return nil }
      terms.append(term)
    }
    return try sum(of: terms, node: node)
  }

  private mutating func sum(
    of terms: [ONNXActivation], node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation? {
    guard var sum = terms.first else { return nil }
    for term in terms.dropFirst() {
      sum = sum.replaced(by: try append(Addition(), node: node, inputs: [sum, term]).value)
    }
    return sum
  }

  /// The mean over height and width of a sum of views: the sum of their means, for which no map is added.
  mutating func pooledSum(
    of views: [ONNXView], axes: Set<Int>, keepsAxes: Bool, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue? {
    var terms: [ONNXActivation] = []
    for view in views {
      guard let pooled = try pooled(view, exponent: 1, axes: axes, keepsAxes: keepsAxes, node: node),
        let row = try read(pooled, node: node)
      else { return nil }
      terms.append(row)
    }
    return try sum(of: terms, node: node).map { .activation($0) }
  }

  /// A view whose height and width are reduced; `nil` where `axes` are not exactly these.
  ///
  /// - Parameter exponent: 1 for the mean, infinity for the maximum.
  mutating func pooled(
    _ view: ONNXView, exponent: Double, axes: Set<Int>, keepsAxes: Bool, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXView? {
    let kept = view.axes.indices.filter { !axes.contains($0) }
    guard !view.base.isRow, view.affine == nil, kept.first == 0, view.covers(0, .batch),
      let channels = view.channels(Array(kept.dropFirst())),
      axes.allSatisfy({ view.axes[$0].allSatisfy { $0.source == .row || $0.source == .column } }),
      view.permutes(.row, along: axes), view.permutes(.column, along: axes)
    else { return nil }
    // Branches of a concatenation are pooled apart; parts of other maps share the pooling of the whole map.
    var row: ONNXActivation
    if producer(of: view.base)?.op is Concatenation {
      let part = try select(channels, of: view.base, node: node)
      row = try pool(part, exponent: exponent, floor: nil, node: node)
    } else {
      row = try pool(view.base, exponent: exponent, floor: nil, node: node)
      row = try select(channels, of: row, node: node)
    }
    let shape = Shape(
      view.axes.indices.filter { keepsAxes || !axes.contains($0) }
        .map { axes.contains($0) ? 1 : view.shape[$0] })
    return ONNXView(row).reshaped(to: shape)
  }

  /// The product of a view of a map and a view of a vector that has a factor for each channel, as a view of the map
  /// whose channels are scaled; `nil` for other products.
  mutating func scaledView(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    let ranks = (try value(node, 0).shape.rank, try value(node, 1).shape.rank)
    guard max(ranks.0, ranks.1) > 4, let a = try view(node, 0), let b = try view(node, 1),
      a.base.isRow != b.base.isRow
    else { return nil }
    let (map, row) = a.base.isRow ? (b, a) : (a, b)
    let rank = map.axes.count
    guard row.axes.count == rank, map.affine == nil, row.affine == nil, map.covers(0, .batch), row.covers(0, .batch)
    else { return nil }
    // For each channel of the map, the position of its factor.
    var factors = [Int?](repeating: nil, count: map.base.channels)
    var pairs = [(map.start[.channel] ?? 0, row.start[.channel] ?? 0)]
    for axis in 1..<rank {
      let spatial = map.axes[axis].allSatisfy { $0.source != .channel }
      if spatial {
        guard row.axes[axis].isEmpty else { return nil }
        continue
      }
      guard let channels = map.channels([axis]), row.axes[axis].isEmpty || row.shape[axis] == channels.count,
        let sources = row.channels([axis]), pairs.count <= ONNXView.maximumExtent / channels.count
      else { return nil }
      let (first, firstFactor) = (map.start[.channel] ?? 0, row.start[.channel] ?? 0)
      pairs = pairs.flatMap { pair in
        channels.indices.map { index in
          (pair.0 + channels[index] - first, pair.1 + sources[sources.count == 1 ? 0 : index] - firstFactor)
        }
      }
    }
    for (channel, factor) in pairs where factors.indices.contains(channel) {
      // A repeated channel may have several factors.
      guard factors[channel] ?? factor == factor else { return nil }
      factors[channel] = factor
    }
    let list = factors.compactMap { $0 }
    guard list.count == factors.count, list.allSatisfy({ $0 < row.base.channels }) else { return nil }
    let selected = try select(list, of: row.base, node: node)
    let product = try append(ChannelScaling(), node: node, inputs: [map.base, selected])
    return .step(.view(map.of(map.base.replaced(by: product.value))))
  }
}
