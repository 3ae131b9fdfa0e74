import Checkpoints
import Tensors

extension ONNXFolding {
  /// Reductions and normalisations of constants, with which networks standardise their weights (Qiao et al., arXiv
  /// 1903.10520, section 2).
  static let reducing: [String: Folding] = [
    "ReduceMean": reduction(then: { $0 / Double($1) }), "ReduceSum": reduction(),
    "ReduceMax": reduction(.largest), "ReduceMin": reduction(.smallest), "ReduceProd": reduction(.product),
    "ReduceL1": reduction(of: { abs($0) }),
    "ReduceL2": reduction(of: { $0 * $0 }, then: { total, _ in total.squareRoot() }),
    "ReduceSumSquare": reduction(of: { $0 * $0 }),
    "LpNormalization": { operands throws(Failure) in
      var array = try operands.array(0)
      guard array.type.isFloatingPoint else { throw Failure("is not defined for \(array.type)") }
      let axis = try operands.axis(operands.integer("axis") ?? -1, rank: array.shape.rank)
      guard (operands.integer("p") ?? 2) == 2 else { throw Failure("is not an L2 normalisation") }
      try operands.claim(array.shape)
      guard !array.values.isEmpty else { return array.tensor }
      array.mapGroups(along: [axis]) { group in
        let length = group.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length == 0 ? group : group.map { $0 / length }
      }
      return array.tensor
    },
    "BatchNormalization": { operands throws(Failure) in
      // Before opset 14, nodes with outputs for statistics are in training mode, as those are with which PyTorch
      // exports weights that it standardises.
      let hasStatistics = !operands.node.outputs.dropFirst().allSatisfy(\.isEmpty)
      let isAttribute = operands.operatorSet >= 14
      let isTraining = isAttribute ? operands.integer("training_mode") == 1 : hasStatistics
      guard isTraining || !hasStatistics else {
        throw Failure("computes statistics of a constant without training mode")
      }
      guard isAttribute || operands.integer("training_mode") == nil else {
        throw Failure("has an attribute 'training_mode', which its operator set does not have")
      }
      guard operands.integer("spatial") ?? 1 == 1 else { throw Failure("normalises a constant element by element") }
      return try normalized(operands, byImage: false, byOwnStatistics: isTraining)
    },
    "InstanceNormalization": { operands throws(Failure) in
      try normalized(operands, byImage: true, byOwnStatistics: true)
    },
  ]

  /// How a reduction combines elements.
  private enum Combination { case sum, product, largest, smallest }

  /// A reduction over the attribute or input `axes`; without them over all axes, or, if `noop_with_empty_axes` is set,
  /// of each element alone.
  ///
  /// - Parameters:
  ///   - term: what is combined of each element.
  ///   - finish: the result, from the combination and the number of elements.
  private static func reduction(
    _ combination: Combination = .sum, of term: @escaping @Sendable (Double) -> Double = { $0 },
    then finish: @escaping @Sendable (Double, Int) -> Double = { total, _ in total }
  ) -> Folding {
    { operands throws(Failure) in
      // ONNX Runtime, too, combines integers as Doubles. What it does with those that a Double or the result does not
      // hold differs between processors.
      var array = try operands.exactArray(0)
      let (rank, type) = (array.shape.rank, array.type)
      let requested = try operands.integers("axes", input: 1) ?? []
      let all = operands.integer("noop_with_empty_axes") == 1 ? [] : Set(0..<rank)
      guard let axes = requested.isEmpty ? all : ONNXShapes.axes(requested, rank: rank), array.values.count > 0 else {
        throw Failure("cannot reduce \(array.shape) over the axes \(requested)")
      }
      // The positions of the elements, and the groups that are reduced.
      try operands.claim(array.shape)
      var isCertain = true
      array.reduce(along: axes) { group in
        let (total, isHeld) = combined(group.lazy.map(term), combination, type)
        isCertain = isCertain && isHeld
        let result = finish(total, group.count)
        guard !type.isFloatingPoint else { return result }
        let bounds = ONNXIntegers.bounds(of: type)
        isCertain = isCertain && abs(result) < 0x1p53 && bounds.contains(ONNXArray.integer(result))
        return result.rounded(.towardZero)
      }
      guard isCertain else {
        throw Failure(
          combination == .largest || combination == .smallest
            ? "compares NaN with numbers" : "combines numbers beyond those of \(type)")
      }
      if operands.integer("keepdims") == 0 {
        array.shape = Shape((0..<rank).filter { !axes.contains($0) }.map { array.shape[$0] })
      }
      return array.tensor
    }
  }

  /// The combination of some terms, and whether it is the same in whatever order and in the type of the elements: no
  /// partial result is beyond it, and there is no NaN among elements that are compared.
  private static func combined(
    _ terms: some Collection<Double>, _ combination: Combination, _ type: ElementType
  ) -> (total: Double, isCertain: Bool) {
    let limit: Double =
      type == .float64 ? .infinity : type.isFloatingPoint ? Double(Float.greatestFiniteMagnitude) : 0x1p53 - 1
    switch combination {
    case .sum:
      let magnitude = terms.reduce(0.0) { $0 + abs($1) }
      return (terms.reduce(0, +), magnitude <= limit || terms.contains { !$0.isFinite })
    case .product:
      // Of factors of at least 1 and of those below, so that neither overflows, nor vanishes, in any order.
      let large = terms.reduce(1.0) { $0 * max(abs($1), 1) }
      let small = terms.reduce(1.0) { $1 == 0 ? $0 : $0 * min(abs($1), 1) }
      let isHeld = large <= limit && (type == .float64 || small >= Double(Float.leastNormalMagnitude))
      return (terms.reduce(1, *), isHeld || terms.contains { !$0.isFinite })
    case .largest, .smallest:
      let result = combination == .largest ? terms.max() : terms.min()
      return (result ?? .nan, terms.count == 1 || !terms.contains { $0.isNaN })
    }
  }

  /// A constant [N, C, ...] normalised by the mean and variance of each channel, then scaled and shifted.
  ///
  /// - Parameters:
  ///   - byImage: whether the statistics are of each N apart.
  ///   - byOwnStatistics: whether the statistics are those of the constant, and not inputs.
  private static func normalized(
    _ operands: Operands, byImage: Bool, byOwnStatistics: Bool
  ) throws(Failure) -> Tensor {
    var array = try operands.array(0)
    guard array.shape.rank >= 2, array.values.count > 0, array.type.isFloatingPoint else {
      throw Failure("normalises \(array.type) \(array.shape)")
    }
    let (batch, channels) = (array.shape[0], array.shape[1])
    let parameters = [try operands.array(1).values, try operands.array(2).values]
    var epsilon = 1e-5
    if case .float(let value)? = operands.node.attributes["epsilon"] { epsilon = Double(value) }
    var statistics: [[Double]] = []
    if !byOwnStatistics {
      statistics = [try operands.array(3).values, try operands.array(4).values]
    }
    guard (parameters + statistics).allSatisfy({ $0.count == channels }) else {
      throw Failure("does not have one parameter for each of \(channels) channels")
    }
    let axes = Set((byImage ? 1 : 0)..<array.shape.rank).subtracting([1])
    var index = 0
    try operands.claim(array.shape)
    array.mapGroups(along: byImage ? Set(2..<array.shape.rank) : axes) { group in
      // The groups come in the order of the remaining axes: the channels, within each image if there are several.
      let channel = index % channels
      index += 1
      let mean: Double
      let variance: Double
      if statistics.isEmpty {
        mean = group.reduce(0, +) / Double(group.count)
        variance = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(group.count)
      } else {
        (mean, variance) = (statistics[0][channel], statistics[1][channel])
      }
      let factor = parameters[0][channel] / (variance + epsilon).squareRoot()
      return group.map { ($0 - mean) * factor + parameters[1][channel] }
    }
    guard index == (byImage ? batch * channels : channels) else { throw Failure("normalises \(array.shape)") }
    return array.tensor
  }
}

extension ONNXArray {
  /// The positions of the groups of elements along some axes: where each begins, one for each index of the other axes
  /// in row-major order, and where its elements are from there. Only for arrays that have elements, as those
  /// without may have any number of positions.
  private func groups(along axes: Set<Int>) -> (starts: [Int], offsets: [Int]) {
    let strides = shape.contiguousStrides
    func positions(_ isIncluded: (Int) -> Bool) -> [Int] {
      var result = [0]
      for axis in 0..<shape.rank where isIncluded(axis) {
        let extent = shape[axis]
        result = result.flatMap { base in (0..<extent).map { base + $0 * strides[axis] } }
      }
      return result
    }
    return (positions { !axes.contains($0) }, positions { axes.contains($0) })
  }

  /// Replaces the elements along some axes by one, so that the axes have an extent of 1.
  mutating func reduce(along axes: Set<Int>, _ function: ([Double]) -> Double) {
    let (starts, offsets) = groups(along: axes)
    values = starts.map { start in function(offsets.map { values[start + $0] }) }
    for axis in axes { shape.dimensions[axis] = 1 }
  }

  /// Replaces the elements along some axes by as many others.
  mutating func mapGroups(along axes: Set<Int>, _ function: ([Double]) -> [Double]) {
    let (starts, offsets) = groups(along: axes)
    for start in starts {
      let results = function(offsets.map { values[start + $0] })
      for (offset, value) in zip(offsets, results) { values[start + offset] = value }
    }
  }
}
