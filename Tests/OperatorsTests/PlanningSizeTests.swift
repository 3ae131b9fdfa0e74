import Graphs
import Kernels
import Operators
import ReferenceOperators
import Tensors
import Testing

/// Plans without tables have the sizes and the limits of those with them.
@Suite struct PlanningSizeTests {
  private static func prepare(
    _ op: any RunnableOperator, _ constants: [String: Tensor] = [:]
  ) throws -> any PreparedOperator {
    try op.prepare(
      PreparationContext(
        kernels: KernelSet(), inputFormats: [.float32], outputFormat: .float32, constants: constants))
  }

  /// Whether no tap of the window at a position lies on the map, or in the padding if that counts.
  private static func isOutside(_ window: Window, _ map: Shape, row: Int, column: Int, countsPadding: Bool) -> Bool {
    for tapRow in 0..<window.height {
      for tapColumn in 0..<window.width {
        let y = row * window.strideHeight - window.top + tapRow * window.dilationHeight
        let x = column * window.strideWidth - window.left + tapColumn * window.dilationWidth
        if 0..<map.height ~= y && 0..<map.width ~= x { return false }
        if countsPadding && y < map.height + window.bottom && x < map.width + window.right { return false }
      }
    }
    return true
  }

  @Test(arguments: 0..<400)
  func poolings(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    var window = Window(height: random.int(1...5), width: random.int(1...5), stride: random.int(1...4))
    window.strideWidth = random.int(1...4)
    (window.top, window.bottom) = (random.int(-2...window.height - 1), random.int(-2...window.height - 1))
    (window.left, window.right) = (random.int(-2...window.width - 1), random.int(-2...window.width - 1))
    let dilations = [1, 1, 2, 3, 7, 20]
    (window.dilationHeight, window.dilationWidth) = (random.pick(dilations), random.pick(dilations))
    window.ceilMode = random.chance(0.3)
    let map: Shape = [random.int(1...2), random.int(1...24), random.int(1...24), random.int(1...6)]
    guard let extent = try? window.outputExtent(height: map.height, width: map.width) else { return }
    let output: Shape = [map.batch, extent.height, extent.width, map.channels]
    let countsPadding = random.chance(0.5)
    let prepared = try Self.prepare(AveragePooling(window: window, countsPadding: countsPadding))
    let isOutside = (0..<output.height).contains { row in
      (0..<output.width).contains { column in
        Self.isOutside(window, map, row: row, column: column, countsPadding: countsPadding)
      }
    }
    for makesTables in [true, false] {
      let context = PlanningContext(workers: 2, makesTables: makesTables)
      if isOutside {
        #expect(throws: GraphError.inputSize("a pooling window lies outside of a map of \(map)")) {
          _ = try prepared.plan(inputs: [map], output: output, context: context)
        }
      } else {
        _ = try prepared.plan(inputs: [map], output: output, context: context)
      }
      #expect(context.tableByteCount == map.batch * extent.height * extent.width * window.taps * 4)
    }
  }

  @Test(arguments: 0..<60)
  func convolutions(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let (inputs, groups) = (random.pick([1, 3, 4, 8, 32]), random.pick([1, 1, 2]))
    let outputs = 32
    var window = Window(random.pick([1, 3]), stride: random.int(1...2), padding: random.int(0...1))
    window.dilationWidth = random.int(1...2)
    let op = Convolution(window: window, groups: groups)
    let weight = Tensor(
      random.floats(outputs * window.taps * inputs), shape: [outputs, window.height, window.width, inputs])
    let map: Shape = [1, random.int(5...20), random.int(5...20), inputs * groups]
    let output = try op.outputShape(inputs: [map], constants: ["weight": weight])
    let prepared = try Self.prepare(op, ["weight": weight])
    let contexts = [true, false].map { PlanningContext(workers: 2, makesTables: $0) }
    let scratch = try contexts.map {
      try prepared.plan(inputs: [map], output: output, context: $0).scratchByteCount
    }
    #expect(scratch[0] == scratch[1])
    #expect(contexts[0].tableByteCount == contexts[1].tableByteCount)
    try prepared.check(inputs: [map], output: output, context: PlanningContext(workers: 1, makesTables: false))
  }

  @Test func tablesAreLimited() throws {
    let prepared = try Self.prepare(MaxPooling(window: Window(3, padding: 1)))
    let context = PlanningContext(workers: 1, makesTables: false)
    let large: Shape = [1, 3000, 3000, 1]
    try prepared.check(inputs: [large], output: large, context: context)
    #expect(context.tableByteCount == 3000 * 3000 * 9 * 4)
    let tooLarge: Shape = [1, 8192, 8192, 1]
    #expect(throws: GraphError.self) { try prepared.check(inputs: [tooLarge], output: tooLarge, context: context) }
    // It was large once only, as equal tables are shared.
    try prepared.check(inputs: [large], output: large, context: context)
    #expect(context.tableByteCount == 3000 * 3000 * 9 * 4)
  }
}
