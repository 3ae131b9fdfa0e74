import Graphs
import ModelImport
import Operators
import Tensors
import Testing

/// Key names: MultiGrain's, those of bare trunks, and what is wrong with a state dictionary.
@Suite struct ImportTests {
  private static func importing(_ tensors: [(name: String, tensor: Tensor)]) throws -> Graph {
    try ModelImporter().importGraph(StateDictionary(tensors))
  }

  /// The trunk alone, with the names and the classifier of pretrainedmodels.
  private static func bare(_ trunk: TrunkFixture) throws -> [(name: String, tensor: Tensor)] {
    let prefix = trunk.name == "senet" ? "features." : "features.0.base_net."
    var result: [(name: String, tensor: Tensor)] = []
    for (name, tensor) in try trunk.tensors() {
      if name.hasPrefix("classifier."), trunk.name == "senet" {
        result.append(("last_linear." + name.dropFirst("classifier.".count), tensor))
      } else if name.hasPrefix(prefix) {
        result.append((String(name.dropFirst(prefix.count)), tensor))
      }
    }
    return result
  }

  @Test(arguments: TrunkFixture.all)
  func bareTrunksAreRead(trunk: TrunkFixture) throws {
    let graph = try Self.importing(try Self.bare(trunk))
    let whole = try trunk.graph()
    #expect(graph.architecture == whole.architecture)
    let hasClassifier = graph.nodes.contains { $0.name == "last_linear" }
    #expect(hasClassifier)
    #expect(graph.poolingExponent == 1)
    #expect(
      graph.nodes.filter { $0.op is Convolution }.map(\.name) == whole.nodes.filter { $0.op is Convolution }.map(\.name)
    )
    let shapes = try graph.inferShapes(input: [1, 97, 64, 3])
    let logits = try #require(graph.output(named: GraphOutput.logits))
    #expect(shapes[logits.index] == [1, 11])
  }

  @Test(arguments: TrunkFixture.all)
  func everyTensorIsNeeded(trunk: TrunkFixture) throws {
    let tensors = try trunk.tensors()
    let ignored = tensors.filter {
      $0.name.hasSuffix("num_batches_tracked") || $0.name.contains("base_net.last_linear") || $0.name == "pool.p"
        || $0.name.hasSuffix(".bias") && $0.name.contains("fc") || $0.name == "classifier.bias"
    }.map(\.name)
    // Those that decide on the structure may make a smaller network of the rest, which then has tensors left over.
    for (index, missing) in tensors.enumerated() where !ignored.contains(missing.name) && index % 7 == 0 {
      var rest = tensors
      rest.remove(at: index)
      #expect(throws: ImportError.self, "\(missing.name)") { try Self.importing(rest) }
    }
    _ = try Self.importing(tensors.filter { !$0.name.contains("base_net.last_linear") })
  }

  @Test(arguments: TrunkFixture.all)
  func unexpectedTensorsAreReported(trunk: TrunkFixture) throws {
    let stranger = (name: "features.attention.weight", tensor: Tensor([Float(1)], shape: [1]))
    do {
      _ = try Self.importing(try trunk.tensors() + [stranger])
      Issue.record("a stranger was taken in")
    } catch ImportError.unexpectedTensors(_, let names, _) {
      #expect(names == [stranger.name])
    }
  }

  /// Weights of shapes that do not fit end in errors.
  @Test(arguments: TrunkFixture.all)
  func weightsOfOtherShapesAreRefused(trunk: TrunkFixture) throws {
    let tensors = try trunk.tensors()
    for (index, victim) in tensors.enumerated()
    where victim.name.hasSuffix(".weight") && !victim.name.contains("base_net.last_linear") && index % 5 == 0 {
      var damaged = tensors
      let count = (victim.tensor.shape.dimensions.last ?? 1) + 1
      var dimensions = victim.tensor.shape.dimensions
      dimensions[0] += 1
      let shape = Shape(dimensions)
      damaged[index].tensor = Tensor([Float](repeating: 0.1, count: shape.elementCount), shape: shape)
      #expect(throws: ImportError.self, "\(victim.name)") { try Self.importing(damaged) }
      damaged[index].tensor = Tensor([Float](repeating: 0.1, count: count), shape: [count])
      #expect(throws: ImportError.self, "\(victim.name)") { try Self.importing(damaged) }
    }
  }
}
