import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct PoolingGridTests {
  private static let outputs = [GraphOutput.normalizedEmbedding, GraphOutput.logits]

  /// One run with all exponents gives the bits of a run with each of them, whatever the threads.
  @Test(arguments: 0..<12 as Range<UInt64>)
  func oneRunIsThatOfEachExponent(seed: UInt64) throws {
    var graph = RandomGraph.make(seed: seed)
    let exponents = [0.5, 1, 1.7, 3, 4, .infinity]
    let grid = try PoolingGrid(graph, exponents: exponents, outputs: Self.outputs)
    try grid.graph.validate()
    var random = SplitMix64(seed: seed)
    let shape: Shape = [2, 19, 17, 3]
    let input = random.floats(shape.elementCount)
    let executable = try Executable(grid.graph)
    let together = try Session(executable).run(input, shape: shape)
    #expect(together.count == Self.outputs.count * exponents.count)
    for (number, exponent) in exponents.enumerated() {
      try graph.setPoolingExponent(exponent)
      let alone = try Session(Executable(graph)).run(input, shape: shape)
      for name in Self.outputs {
        let expected = try #require(alone[name])
        #expect(together[PoolingGrid.name(name, number)] == expected, "seed \(seed), p = \(exponent), \(name)")
      }
    }
  }

  @Test(arguments: [0, -1, Double.nan])
  func exponentsArePositive(exponent: Double) {
    #expect(throws: GraphError.self) {
      try PoolingGrid(RandomGraph.make(seed: 0), exponents: [1, exponent], outputs: Self.outputs)
    }
  }
}
