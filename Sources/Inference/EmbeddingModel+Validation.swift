import Graphs
import Operators
import PackageFormat
import Runtime
import Tensors

extension EmbeddingModel {
  /// Checks what opening leaves to the first image: that the network runs at every size that the package was converted
  /// for, that its outputs are what the package states, that its self-test runs, and that its constants are finite. The
  /// weights must be loaded.
  ///
  /// - Throws: `InferenceError.graph` where the network cannot run, computes other outputs than stated, or has too many
  ///   nodes and sizes to be checked; `.package` where a constant or the self-test is damaged; `.noWeights`.
  package func validate() throws(InferenceError) {
    guard let executable else { throw .noWeights }
    let (nodes, sizes) = (network.graph.nodes.count, info.resolutions.count)
    guard nodes * sizes <= Self.checkLimit else {
      throw .graph(.structure("the network has too many nodes, \(nodes), to be checked at \(sizes) sizes"))
    }
    do throws(GraphError) {
      for resolution in info.resolutions {
        let pooled = try executable.pooling(by: resolution.poolingExponent)
        try pooled.checkPlan(shapes: try checkOutputs(of: pooled.graph, side: resolution.side))
      }
    } catch {
      throw .graph(error)
    }
    try checkSelfTest(of: executable)
    try checkConstants()
  }

  /// The number of nodes of all sizes together that are checked: far more than any known network has.
  private static let checkLimit = 1 << 19

  /// - Returns: the shapes of all values.
  private func checkOutputs(of graph: Graph, side: Int) throws(GraphError) -> [Shape?] {
    if let least = graph.minSquareInput, side < least {
      throw .structure("the network takes images of at least \(least) px, and the package is made for \(side) px")
    }
    let shapes = try graph.inferShapes(input: [1, side, side, 3])
    func check(_ name: String, count: Int) throws(GraphError) {
      // Whoever states none does not use them.
      guard count > 0 else { return }
      guard let output = graph.outputs.first(where: { $0.name == name }) else {
        throw .structure("there is no output '\(name)', of which the package states \(count)")
      }
      let width = shapes[output.value.index]?.elementCount ?? 0
      guard output.value != graph.input, width == count else {
        throw .structure("the output '\(name)' has \(width) elements at \(side) px, but the package states \(count)")
      }
      guard graph.format(of: output.value) == .float32 else {
        throw .structure("the output '\(name)' is not float32")
      }
    }
    try check(GraphOutput.normalizedEmbedding, count: info.embeddingDimension)
    try check(GraphOutput.logits, count: info.classCount)
    return shapes
  }

  /// Checks that the network takes the images of the package's self-test, which may have another size.
  private func checkSelfTest(of executable: Executable) throws(InferenceError) {
    let found: SelfTestRecord?
    do throws(PackageError) { found = try network.reader.selfTest() } catch { throw .package(error) }
    guard let record = found else { return }
    do throws(GraphError) {
      let shapes = try executable.graph.inferShapes(input: [1, record.height, record.width, 3])
      try executable.checkPlan(shapes: shapes)
    } catch {
      throw .graph(
        .structure("the self-test cannot run on its images of \(record.width) x \(record.height) px: \(error)"))
    }
  }

  private func checkConstants() throws(InferenceError) {
    let constants = network.reader.constantsByNode()
    for (index, node) in network.graph.nodes.enumerated() {
      let loaded: [String: Tensor]
      do throws(PackageError) { loaded = try constants(index) } catch { throw .package(error) }
      for (role, tensor) in loaded.sorted(by: { $0.key < $1.key }) where tensor.elementType.isFloatingPoint {
        let isFinite = tensor.asFloat32()?.withElements(as: Float.self) { $0.allSatisfy(\.isFinite) }
        guard isFinite == true else {
          throw .graph(.at(node: node.name, .constant(role: role, problem: "has values that are not finite")))
        }
      }
    }
    network.reader.releasePages()
  }
}
