import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let poolings: [String: ONNXTranslation] = [
    "MaxPool": maxPool,
    "AveragePool": averagePool,
    "GlobalAveragePool": { translator, node throws(ImportError) in
      try global(&translator, node) { reduce($0, exponent: 1, axes: [2, 3], keepsAxes: true) }
    },
    "GlobalMaxPool": { translator, node throws(ImportError) in
      try global(&translator, node) { reduce($0, exponent: .infinity, axes: [2, 3], keepsAxes: true) }
    },
  ]

  /// A pooling of whole maps; of a vector it is the identity.
  private static func global(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ reduce: (ONNXReduced) -> ONNXReduction?
  ) throws(ImportError) -> ONNXValue {
    let shape = try translator.value(node, 0).shape
    if case .step(.branches(let views, _)) = try translator.value(node, 0), shape.rank == 4,
      node.operatorType != "GlobalMaxPool", node.operatorType != "MaxPool",
      let sum = try translator.pooledSum(of: views, axes: [2, 3], keepsAxes: true, node: node)
    {
      return sum
    }
    let source = try reduced(&translator, node)
    guard shape.rank == 4, source.channelAxis == 1 else {
      throw translator.unsupported(node, "it pools \(shape), which is not a map in NCHW order")
    }
    if case .activation(let row) = source.value, row.isRow { return .activation(row) }
    guard let reduction = reduce(source) else { throw translator.unsupported(node, "it pools \(source.meaning)") }
    return .step(.reduced(reduction))
  }

  /// Whether a window covers the whole map, without padding. Such a pooling is taken as global at all image sizes.
  private static func isWhole(_ window: Window, _ map: Shape) -> Bool {
    window.height == map[2] && window.width == map[3] && window.dilationHeight == 1 && window.dilationWidth == 1
      && window.top == 0 && window.left == 0 && window.bottom == 0 && window.right == 0 && !window.padsToSize
  }

  private static let maxPool: ONNXTranslation = { translator, node throws(ImportError) in
    let shape = try translator.value(node, 0).shape
    guard shape.rank == 4 else { throw translator.bad(node, "pools \(shape), which is not a map") }
    let window = try ONNXWindow.window(node, in: translator, kernel: nil, map: shape)
    if case .step(.unselectable(let map, let margins, _)) = try translator.value(node, 0) {
      return try maxPool(&translator, node, map, margins, window)
    }
    if window.isPointwise { return try translator.value(node, 0) }
    if isWhole(window, shape) {
      return try global(&translator, node) { reduce($0, exponent: .infinity, axes: [2, 3], keepsAxes: true) }
    }
    let source = try translator.channelsFirstMap(node, 0)
    return .activation(try translator.append(MaxPooling(window: window), node: node, inputs: [source]))
  }

  /// A max pooling of a map with margins of negative infinity, which are padding of its window.
  private static func maxPool(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ map: ONNXActivation, _ margins: MapMargins,
    _ window: Window
  ) throws(ImportError) -> ONNXValue {
    guard map.isChannelsFirst, let window = window.padded(by: margins), window.dilationHeight == 1,
      window.dilationWidth == 1,
      max(window.top, window.bottom) < window.height, max(window.left, window.right) < window.width
    else { throw translator.unsupported(node, "it pools margins of negative infinity") }
    return .activation(try translator.append(MaxPooling(window: window), node: node, inputs: [map]))
  }

  private static let averagePool: ONNXTranslation = { translator, node throws(ImportError) in
    let shape = try translator.value(node, 0).shape
    guard shape.rank == 4 else { throw translator.bad(node, "pools \(shape), which is not a map") }
    let window = try ONNXWindow.window(node, in: translator, kernel: nil, map: shape)
    if window.isPointwise { return try translator.value(node, 0) }
    if isWhole(window, shape) {
      return try global(&translator, node) { reduce($0, exponent: 1, axes: [2, 3], keepsAxes: true) }
    }
    let source = try translator.channelsFirstMap(node, 0)
    // By default, ONNX does not count padding.
    let countsPadding = try translator.integer(node, "count_include_pad", default: 0) != 0
    return .activation(
      try translator.append(
        AveragePooling(window: window, countsPadding: countsPadding), node: node, inputs: [source]))
  }
}

/// The input of a reduction over height or width.
struct ONNXReduced {
  enum Source {
    case activation(ONNXActivation)
    /// A power of a map, clipped first if `floor` is not `nil`. The exponent is 1 for a map that is only clipped.
    case power(ONNXActivation, floor: Double?, exponent: Double)
    /// A power of a map with an exponent for each channel, clipped first if `floor` is not `nil`.
    case powers(ONNXActivation, floor: Double?, exponents: [Double])
    /// A map with one of its axes reduced.
    case reduction(ONNXReduction)
  }

  let value: Source

  var base: ONNXActivation {
    switch value {
    case .activation(let base), .power(let base, _, _), .powers(let base, _, _): base
    case .reduction(let reduction): reduction.base
    }
  }

  var channelAxis: Int {
    if case .reduction(let reduction) = value { reduction.channelAxis } else { base.channelAxis }
  }

  /// A description for errors.
  var meaning: String {
    switch value {
    case .activation: "a vector"
    case .power, .powers: "a power"
    case .reduction(let reduction): reduction.meaning
    }
  }
}

extension ONNXTranslations {
  /// The input of a reduction.
  static func reduced(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> ONNXReduced {
    switch try translator.value(node, 0) {
    case .step(.power(let base, let floor, let exponent)) where !base.isRow:
      try checkPower(translator, node, base, floor: floor, exponent: exponent)
      return ONNXReduced(value: .power(base, floor: floor, exponent: exponent))
    case .step(.powers(let base, let floor, let exponents)) where !base.isRow:
      for exponent in exponents { try checkPower(translator, node, base, floor: floor, exponent: exponent) }
      return ONNXReduced(value: .powers(base, floor: floor, exponents: exponents))
    case .step(.clipped(let base, let floor)) where !base.isRow:
      return ONNXReduced(value: .power(base, floor: floor, exponent: 1))
    case .step(.reduced(let reduction)) where reduction.openAxis != nil:
      return ONNXReduced(value: .reduction(reduction))
    default: return ONNXReduced(value: .activation(try translator.activation(node, 0)))
    }
  }

  /// Refuses powers that cannot be those of GeM pooling, whose base is not negative and whose exponent is positive.
  private static func checkPower(
    _ translator: ONNXTranslator, _ node: ONNXModel.Node, _ base: ONNXActivation, floor: Double?, exponent: Double
  ) throws(ImportError) {
    guard exponent > 0, exponent.isFinite else {
      throw translator.unsupported(node, "a mean of powers of \(exponent)")
    }
    guard max(floor ?? -.infinity, translator.lowerBound(base)) >= 0 else {
      throw translator.unsupported(node, "a mean of powers of a map that may be negative")
    }
  }

  /// A reduction over axes of the input; `nil` where these are not its height, its width or both.
  ///
  /// - Parameters:
  ///   - exponent: 1 for a mean, infinity for a maximum.
  ///   - axes: the axes to reduce, in the input's order.
  ///   - keepsAxes: whether these keep an extent of 1.
  static func reduce(_ source: ONNXReduced, exponent: Double, axes: Set<Int>, keepsAxes: Bool) -> ONNXReduction? {
    var result: ONNXReduction
    let open: [Int]
    switch source.value {
    case .activation(let map):
      guard !map.isRow, !map.pixelAxes.isEmpty else { return nil }
      result = ONNXReduction(
        base: map, floor: nil, exponent: exponent, shape: map.shape, channelAxis: map.channelAxis, openAxis: nil)
      open = map.pixelAxes
    case .power(let map, let floor, let power):
      // The maximum of clipped values is GeM pooling with an infinite exponent; the maximum of powers is not GeM
      // pooling.
      guard exponent == 1 || power == 1 else { return nil }
      result = ONNXReduction(
        base: map, floor: floor, exponent: exponent == 1 ? power : exponent, shape: map.shape,
        channelAxis: map.channelAxis, openAxis: nil)
      open = map.pixelAxes
    case .powers(let map, let floor, let exponents):
      guard exponent == 1 else { return nil }
      result = ONNXReduction(
        base: map, floor: floor, exponent: .nan, exponents: exponents, shape: map.shape, channelAxis: map.channelAxis,
        openAxis: nil)
      open = map.pixelAxes
    case .reduction(let reduction):
      guard let axis = reduction.openAxis, (exponent == .infinity) == (reduction.exponent == .infinity) else {
        return nil
      }
      (result, open) = (reduction, [axis])
    }
    guard !axes.isEmpty, axes.isSubset(of: open) else { return nil }
    let left = open.filter { !axes.contains($0) }
    if keepsAxes {
      for axis in axes { result.shape.dimensions[axis] = 1 }
      result.openAxis = left.first
    } else {
      func moved(_ axis: Int) -> Int { axis - axes.count { $0 < axis } }
      result.shape = Shape(result.shape.dimensions.indices.filter { !axes.contains($0) }.map { result.shape[$0] })
      result.channelAxis = moved(result.channelAxis)
      result.openAxis = left.first.map(moved)
    }
    return result
  }
}
