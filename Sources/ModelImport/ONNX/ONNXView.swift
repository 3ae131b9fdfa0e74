import Tensors

/// A map or a vector seen through reshapes, transpositions, slices and selections, which models use to split, shuffle
/// and stack channels. Each axis of the view runs over positions along the axes of the base, so that any sequence of
/// these operators is one view, whatever the exporter wrote; nothing is computed until a node reads the result.
struct ONNXView {
  /// The axes of a base, NHWC; a vector has only the first and the last.
  enum Source: Int, CaseIterable { case batch, row, column, channel }

  /// A part of an axis: its indices stand for these distances along an axis of the base.
  struct Factor: Hashable {
    let source: Source
    let offsets: [Int]

    var extent: Int { offsets.count }

    /// The factor of an axis whose indices are split into `count` blocks, as two nested factors; `nil` where blocks are
    /// not equal.
    func split(into count: Int) -> (outer: Factor, inner: Factor)? {
      let length = extent / count
      let inner = offsets[..<length].map { $0 - offsets[0] }
      let outer = (0..<count).map { offsets[$0 * length] }
      for (index, offset) in offsets.enumerated() where offset != outer[index / length] + inner[index % length] {
        return nil
      }
      return (Factor(source: source, offsets: outer), Factor(source: source, offsets: inner))
    }

    /// Two nested factors of one axis of the base as one.
    func nesting(_ inner: Factor) -> Factor {
      Factor(source: source, offsets: offsets.flatMap { outer in inner.offsets.map { outer + $0 } })
    }
  }

  /// A factor and an offset for each channel of the base, which are applied to it first; `nil` for none.
  struct Affine {
    var factors: [Double]
    var offsets: [Double]
  }

  /// The largest number of indices of one list.
  static let maximumExtent = 1 << 20

  var base: ONNXActivation
  /// The extents of the base: batch, height, width and channels; 1 where a vector has no such axis.
  let extents: [Source: Int]
  /// For each axis of the view, its factors, outermost first. All have an extent of at least 2.
  var axes: [[Factor]]
  /// The position of the view's first element.
  var start: [Source: Int] = [:]
  var affine: Affine?

  /// An activation as it is.
  init(_ base: ONNXActivation) {
    self.base = base
    var extents: [Source: Int] = [.batch: base.shape[0], .row: 1, .column: 1, .channel: base.channels]
    var sources: [Int: Source] = [0: .batch, base.channelAxis: .channel]
    if !base.isRow {
      (extents[.row], extents[.column]) = (base.height, base.width)
      (sources[base.spatialAxes[0]], sources[base.spatialAxes[1]]) = (.row, .column)
    }
    self.extents = extents
    axes = base.shape.dimensions.enumerated().map { axis, extent in
      guard extent > 1, let source = sources[axis] else { return [] }
      return [Factor(source: source, offsets: Array(0..<extent))]
    }
  }

  var shape: Shape { Shape(axes.map { $0.reduce(1) { $0 * $1.extent } }) }

  // MARK: Operators that move elements

  /// The view with another shape of as many elements; `nil` where an axis of the base would be cut in a way that no
  /// view describes.
  func reshaped(to target: Shape) -> ONNXView? {
    guard let count = shape.checkedElementCount, target.checkedElementCount == count,
      let factors = Self.merged(axes.flatMap { $0 })
    else { return nil }
    var pending = Array(factors.reversed())
    var result = self
    result.axes = []
    for extent in target.dimensions {
      var (axis, product) = ([Factor](), 1)
      while product < extent {
        guard let next = pending.popLast(), extent % product == 0 else { return nil }
        let missing = extent / product
        if missing % next.extent == 0 {
          axis.append(next)
          product *= next.extent
        } else if next.extent % missing == 0, let (outer, inner) = next.split(into: missing) {
          axis.append(outer)
          pending.append(inner)
          product = extent
        } else {
          return nil
        }
      }
      guard let merged = Self.merged(axis) else { return nil }
      result.axes.append(merged)
    }
    return result
  }

  /// The view with its axes in another order.
  func permuted(_ order: [Int]) -> ONNXView {
    var result = self
    result.axes = order.map { axes[$0] }
    return result
  }

  /// The view at some indices of an axis; `nil` where they cannot be told apart from those of other axes of the base.
  func selecting(_ indices: [Int], axis: Int) -> ONNXView? {
    guard !indices.isEmpty else { return nil }
    let factors = axes[axis]
    if factors.isEmpty { return indices == [0] ? self : nil }
    if indices.elementsEqual(0..<shape[axis]) { return self }
    var result = self
    // The last factors are kept whole where the indices are blocks of them.
    let inner = factors.dropFirst().reduce(1) { $0 * $1.extent }
    let blocks = stride(from: 0, to: indices.count, by: inner).map { indices[$0] }
    guard indices.count % inner == 0, blocks.allSatisfy({ $0 % inner == 0 }),
      indices.enumerated().allSatisfy({ $1 == blocks[$0 / inner] + $0 % inner })
    else { return nil }
    var offsets = blocks.map { factors[0].offsets[$0 / inner] }
    let first = offsets[0]
    offsets = offsets.map { $0 - first }
    result.start[factors[0].source, default: 0] += first
    let outer = offsets.count > 1 ? [Factor(source: factors[0].source, offsets: offsets)] : []
    guard let merged = Self.merged(outer + factors.dropFirst()) else { return nil }
    result.axes[axis] = merged
    return result
  }

  /// The view with an axis of extent 1 removed.
  func removing(axis: Int) -> ONNXView {
    var result = self
    result.axes.remove(at: axis)
    return result
  }

  /// Neighbouring factors of the same axis of the base as one; `nil` where repeated indices make that too long.
  private static func merged(_ factors: [Factor]) -> [Factor]? {
    var result: [Factor] = []
    for factor in factors {
      if let last = result.last, last.source == factor.source {
        guard last.extent <= maximumExtent / max(factor.extent, 1) else { return nil }
        result[result.count - 1] = last.nesting(factor)
      } else {
        result.append(factor)
      }
    }
    return result
  }

  /// `factor * x + offset` of each element x.
  func scaled(by factor: Double, offset: Double) -> ONNXView {
    var result = self
    let count = base.channels
    var affine =
      affine ?? Affine(factors: .init(repeating: 1, count: count), offsets: .init(repeating: 0, count: count))
    affine.factors = affine.factors.map { $0 * factor }
    affine.offsets = affine.offsets.map { $0 * factor + offset }
    result.affine = affine
    return result
  }

  /// The length of the lists of indices.
  var indexCount: Int { axes.joined().reduce(0) { $0 + $1.extent } }

  /// Views of one base side by side along an axis of channels, as one view; `nil` for other views.
  static func joined(_ views: [ONNXView], axis: Int) -> ONNXView? {
    guard var result = views.first, result.axes.indices.contains(axis) else { return nil }
    if let blocks = joinedBlocks(views, axis: axis) { return blocks }
    var channels: [Int] = []
    let isScaled = views.contains { $0.affine != nil }
    var affine = Affine(
      factors: .init(repeating: 1, count: result.base.channels),
      offsets: .init(repeating: 0, count: result.base.channels))
    for view in views {
      guard view.base.value == result.base.value, view.axes.count == result.axes.count,
        let part = view.positions(axis, along: .channel),
        view.axes.indices.allSatisfy({ $0 == axis || view.axes[$0] == result.axes[$0] }),
        [.batch, .row, .column].allSatisfy({ (view.start[$0] ?? 0) == (result.start[$0] ?? 0) })
      else { return nil }
      for channel in part where isScaled {
        guard !channels.contains(channel) else { return nil }
        affine.factors[channel] = view.affine?.factors[channel] ?? 1
        affine.offsets[channel] = view.affine?.offsets[channel] ?? 0
      }
      channels += part
    }
    // Other axes of the view must not run over channels, whose start is that of the joined axis.
    let others = result.axes.indices.filter { $0 != axis }
    guard others.allSatisfy({ result.axes[$0].allSatisfy { $0.source != .channel } }) else { return nil }
    result.start[.channel] = channels[0]
    result.axes[axis] =
      channels.count > 1 ? [Factor(source: .channel, offsets: channels.map { $0 - channels[0] })] : []
    result.affine = isScaled ? affine : nil
    return result
  }

  // MARK: Reading

  /// A view that has the axes of a map or a vector.
  struct Layout {
    var channelAxis: Int
    /// For each channel of the view, that of the base.
    var channels: [Int]
  }

  /// The layout of a view that is a map or a vector with some channels of its base; `nil` for others.
  var layout: Layout? {
    let rank = axes.count
    guard rank >= 2, covers(0, .batch) else { return nil }
    if base.isRow {
      let open = (1..<rank).filter { !axes[$0].isEmpty }
      guard open.count <= 1 else { return nil }
      let axis = open.first ?? (base.channelAxis < rank ? base.channelAxis : 1)
      return positions(axis, along: .channel).map { Layout(channelAxis: axis, channels: $0) }
    }
    guard rank == 4 else { return nil }
    for axis in base.channelAxis == 1 ? [1, 3] : [3, 1] {
      let spatial = axis == 1 ? [2, 3] : [1, 2]
      if covers(spatial[0], .row), covers(spatial[1], .column), let channels = positions(axis, along: .channel) {
        return Layout(channelAxis: axis, channels: channels)
      }
    }
    return nil
  }

  /// The channels of the base that the elements along some axes belong to, in row-major order; `nil` where these axes
  /// run over pixels, too, or over too many elements.
  func channels(_ axes: [Int]) -> [Int]? {
    var result = [start[.channel] ?? 0]
    for factor in axes.flatMap({ self.axes[$0] }) {
      guard factor.source == .channel, result.count <= Self.maximumExtent / max(factor.extent, 1) else { return nil }
      result = result.flatMap { position in factor.offsets.map { position + $0 } }
    }
    return result
  }

  /// The positions along one axis of the base that an axis of the view runs over; `nil` where it runs over others, too.
  func positions(_ axis: Int, along source: Source) -> [Int]? {
    let first = start[source] ?? 0
    let factors = axes[axis]
    if factors.isEmpty { return [first] }
    guard factors.count == 1, factors[0].source == source else { return nil }
    return factors[0].offsets.map { $0 + first }
  }

  /// Whether an axis of the view runs over all of an axis of the base, in order.
  func covers(_ axis: Int, _ source: Source) -> Bool {
    positions(axis, along: source).map { $0.elementsEqual(0..<(extents[source] ?? 1)) } ?? false
  }

  /// Whether some axes of the view run over each position along an axis of the base once, in any order.
  func permutes(_ source: Source, along axes: some Sequence<Int>) -> Bool {
    let extent = extents[source] ?? 1
    var positions = [start[source] ?? 0]
    for factor in axes.flatMap({ self.axes[$0] }) where factor.source == source {
      guard positions.count <= extent / max(factor.extent, 1) else { return false }
      positions = positions.flatMap { position in factor.offsets.map { position + $0 } }
    }
    return positions.sorted().elementsEqual(0..<extent)
  }

  /// The view of the same elements of another base, with the same extents.
  func of(_ other: ONNXActivation) -> ONNXView {
    var result = self
    result.base = other
    return result
  }
}
