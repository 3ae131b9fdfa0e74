import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct PoolingExponentTests {
  /// Another exponent for what is ready to run gives the bits of a network made ready with it, and leaves the first be.
  @Test(arguments: 0..<8 as Range<UInt64>)
  func anotherExponentIsAnotherNetwork(seed: UInt64) throws {
    var graph = RandomGraph.make(seed: seed)
    var random = SplitMix64(seed: seed)
    let shape: Shape = [2, 19, 17, 3]
    let input = random.floats(shape.elementCount)
    let executable = try Executable(graph)
    let before = try Session(executable).run(input, shape: shape)
    for exponent in [1, 1.7, 4, .infinity] {
      let other = try executable.pooling(by: exponent)
      let outputs = try Session(other).run(input, shape: shape)
      try graph.setPoolingExponent(exponent)
      #expect(try outputs == Session(Executable(graph)).run(input, shape: shape))
      #expect(other.graph.poolingExponent == exponent)
      if exponent == 4 { #expect(outputs != before) }
    }
    #expect(try Session(executable).run(input, shape: shape) == before)
  }

  @Test(arguments: [0, -1, Double.nan])
  func exponentsArePositive(exponent: Double) throws {
    let executable = try Executable(RandomGraph.make(seed: 0))
    #expect(throws: GraphError.self) { try executable.pooling(by: exponent) }
  }

  @Test func whatDoesNotPoolHasNoExponent() throws {
    var graph = Graph(architecture: "none", preprocessing: .imageNet)
    let value = graph.append(ReLU(), name: "relu", inputs: [graph.input])
    graph.outputs = [GraphOutput(name: "out", value: value)]
    #expect(throws: GraphError.self) { try Executable(graph).pooling(by: 3) }
  }
}
