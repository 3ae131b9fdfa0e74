import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct MemoryEstimateTests {
  /// A convolution whose weights have two forms, and a pooling that does not take small maps.
  private static func graph() -> Graph {
    var random = SplitMix64(seed: 1)
    var graph = Graph(architecture: "sizes", preprocessing: .imageNet)
    func weight(_ window: Int, _ inputs: Int) -> [String: Tensor] {
      ["weight": Tensor(random.floats(32 * window * window * inputs), shape: [32, window, window, inputs])]
    }
    var value = graph.append(Convolution(window: Window(1)), name: "a", inputs: [graph.input], constants: weight(1, 3))
    value = graph.append(
      Convolution(window: Window(3, padding: 1)), name: "b", inputs: [value], constants: weight(3, 32))
    value = graph.append(MaxPooling(window: Window(3)), name: "c", inputs: [value])
    graph.outputs = [GraphOutput(name: "output", value: value)]
    return graph
  }

  @Test(arguments: [1, 3])
  func sizesTogetherTakeWhatEachTakes(threads: Int) throws {
    let graph = Self.graph()
    let inputs = [16, 4, 40, 2, 5, 16, 3].map { (height: $0, width: $0 + 1) } + [(height: 3, width: 200)]
    var loaded: [Int] = []
    let results = try MemoryEstimate.estimates(graph, inputs: inputs, threads: threads) { node in
      loaded.append(node)
      return graph.nodes[node].constants
    }
    #expect(loaded == Array(graph.nodes.indices))
    #expect(results.count == inputs.count)
    for (input, result) in zip(inputs, results) {
      func alone() throws -> MemoryEstimate {
        try MemoryEstimate(graph, height: input.height, width: input.width, threads: threads) {
          graph.nodes[$0].constants
        }
      }
      if input.height < 3 {
        guard case .failure(let error) = result else {
          Issue.record("images of \(input) were not refused")
          continue
        }
        #expect(throws: error) { try alone() }
      } else {
        #expect(try result.get() == alone())
      }
    }
    // Small maps need the weights in one form, and larger ones in another.
    #expect(try results[0].get().weights != results[1].get().weights)
    #expect(try results[0].get().weights == results[2].get().weights)
  }

  @Test func limitsAreChecked() throws {
    var graph = Graph(architecture: "large", preprocessing: .imageNet)
    let map = graph.append(MaxPooling(window: Window(3, padding: 1)), name: "pool", inputs: [graph.input])
    graph.outputs = [GraphOutput(name: "output", value: map)]
    let executable = try Executable(graph)
    try executable.checkPlan(shapes: try graph.inferShapes(input: [1, 64, 64, 3]))
    let shapes = try graph.inferShapes(input: [1, 8192, 8192, 3])
    let problem = "a 3x3 window on a map of 1x8192x8192x3 is too large; run fewer images at once"
    #expect(throws: GraphError.at(node: "pool", .inputSize(problem))) { try executable.checkPlan(shapes: shapes) }
    #expect(throws: GraphError.self) {
      try MemoryEstimate(graph, height: 8192, width: 8192, threads: 1) { _ in [:] }
    }
  }
}
