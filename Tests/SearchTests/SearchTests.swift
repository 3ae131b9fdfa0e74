import Graphs
import Operators
import Quantization
import Search
import Tensors
import Testing

/// Searches on a made-up network, whose drift is what a formula says.
@Suite struct SearchTests {
  /// A chain of pointwise convolutions, of which the statistics say nothing, so that only layers in float can be chosen.
  private static let layerCount = 20

  private static let graph: Graph = {
    var graph = Graph(architecture: "chain", preprocessing: .half)
    var value = graph.input
    for index in 0..<layerCount {
      let inputs = index == 0 ? 3 : 4
      value = graph.append(
        Convolution(window: Window(1)), name: "conv\(index)", inputs: [value],
        constants: ["weight": Tensor([Float](repeating: 1, count: 4 * inputs), shape: [4, 1, 1, inputs])])
    }
    graph.outputs = [GraphOutput(name: GraphOutput.embedding, value: value)]
    return graph
  }()

  private static func search(
    drift: @escaping (_ kept: Int) -> Double, ranking: [RankedLayer]? = nil, allowsFloat: Bool = true,
    deadline: ContinuousClock.Instant? = nil
  ) throws -> PlanSearch {
    let plan = QuantizationPlanner().plan(graph, statistics: .init())
    let layers = graph.nodes.map { RankedLayer(name: $0.name, weightCount: 16, drift: 1, reason: "a test") }
    return PlanSearch(
      EditPath(graph, plan, WideReading(graph, .init()), try CostTable(graph, imageSize: 8)),
      .init(drifts: { [drift($0.layersKeptFloat(in: graph).count)] }, ranking: { ranking ?? layers }),
      allowsFloat: allowsFloat, deadline: deadline)
  }

  /// Halving finds the first number of edits with which the sample is content.
  @Test(arguments: 1...19)
  func theFewestEditsAreFound(enough: Int) throws {
    var search = try Self.search { $0 >= enough ? 0.1 : 1 }
    let found = try #require(try search.fewestEdits(after: 0, leaving: [0.5]) {})
    #expect(found.edits == enough && !found.isCutShort)
    #expect(found.plan.layersKeptFloat(in: Self.graph).map(\.name) == (0..<enough).map { "conv\($0)" })
    for node in found.plan.layersKeptFloat(in: Self.graph) {
      #expect(found.plan.layers[node.name]?.arithmetic == .int16Weights)
      #expect(found.plan.layers[node.name]?.reason == "a test")
    }
  }

  /// All of a kind, where not even they are enough; then the next kind, and then nothing.
  @Test func kindsFollowOneAnother() throws {
    var search = try Self.search { _ in 1 }
    let first = try #require(try search.fewestEdits(after: 0, leaving: [0.5]) {})
    #expect(first.edits == Self.layerCount)
    let second = try #require(try search.fewestEdits(after: first.edits, leaving: [0.5]) {})
    #expect(second.edits == 2 * Self.layerCount)
    #expect(
      second.plan.layersKeptFloat(in: Self.graph).allSatisfy { second.plan.layers[$0.name]?.arithmetic == .float })
    #expect(try search.fewestEdits(after: second.edits, leaving: [0.5]) {} == nil)
    var bound = try Self.search(drift: { _ in 1 }, allowsFloat: false)
    #expect(try bound.fewestEdits(after: 0, leaving: [0.5]) {} == nil)
  }

  @Test func theOrderIsByDriftForAByte() {
    let layers = [(1, 0.1), (10, 0.5), (2, 0.2), (1, 0.0), (1, 0.3)].enumerated().map {
      RankedLayer(name: "\($0)", weightCount: $1.0, drift: $1.1, reason: "")
    }
    #expect(RankedLayer.ranked(layers).map(\.name) == ["4", "0", "2", "1", "3"])
  }

  @Test func timeThatIsOverCutsShort() throws {
    var search = try Self.search(drift: { $0 >= 3 ? 0.1 : 1 }, deadline: .now)
    let found = try #require(try search.fewestEdits(after: 0, leaving: [0.5]) {})
    #expect(found.isCutShort && found.edits == Self.layerCount)
  }

  /// An attempt that keeps its gates with so many layers in float.
  private final class Trial: Attempt {
    var found: FoundPlan
    let enough: Int
    private(set) var isDiscarded = false

    init(_ found: FoundPlan, enough: Int) { (self.found, self.enough) = (found, enough) }

    private var kept: Int { found.plan.layersKeptFloat(in: SearchTests.graph).count }
    var passesGates: Bool { kept >= enough }
    var meanDrift: Double { 1 - Double(kept) / 100 }
    var allowedDriftShares: [Double] { [0.5] }
    var failsByNearTiesOnly: Bool { false }
    var failsMainlyByNearTies: Bool { false }
    func discard() { isDiscarded = true }
  }

  /// The sample is content with more than the images of the verdict ask for: attempts come down to what is enough.
  @Test(arguments: [1, 4, 7, 12, 20])
  func noMoreIsKeptThanTheGatesAskFor(enough: Int) throws {
    var trials: [Trial] = []
    let policy = AttemptPolicy<Trial>(
      attempt: { found in
        let trial = Trial(found, enough: enough)
        trials.append(trial)
        return trial
      }, search: { try Self.search { $0 >= 16 ? 0.1 : 1 } }, searching: { try $0() }, advance: {})
    let plan = QuantizationPlanner().plan(Self.graph, statistics: .init())
    let first = Trial(FoundPlan(plan), enough: enough)
    let best = try policy.best(from: first)
    #expect(best.passesGates)
    let kept = best.found.plan.layersKeptFloat(in: Self.graph).count
    #expect(kept >= enough && kept <= enough + 2, "\(kept) for \(enough)")
    // All but the best are gone.
    #expect(!best.isDiscarded && ([first] + trials).filter { !$0.isDiscarded }.count == 1)
  }

  @Test func anAttemptThatKeepsItsGatesEndsTheSearch() throws {
    let plan = QuantizationPlanner().plan(Self.graph, statistics: .init())
    let first = Trial(FoundPlan(plan), enough: 0)
    let policy = AttemptPolicy<Trial>(
      attempt: { _ in throw GraphError.structure("nothing is attempted") },
      search: { throw GraphError.structure("nothing is searched for") }, searching: { try $0() }, advance: {})
    #expect(try policy.best(from: first) === first)
  }

  // MARK: - Costs

  /// Wide layers cost more than int8 ones, and float ones more than those; plain int8 is the base of slowdowns.
  @Test func costsFollowTheArithmetic() throws {
    let costs = try CostTable(Self.graph, imageSize: 8)
    let plain = QuantizationPlanner().plan(Self.graph, statistics: .init())
    #expect(costs.milliseconds(plain) == costs.plainMilliseconds && costs.plainMilliseconds > 0)
    func cost(_ arithmetic: QuantizationPlan.Arithmetic) -> Double {
      var plan = plain
      plan.layers["conv3"]?.arithmetic = arithmetic
      return costs.milliseconds(plan)
    }
    #expect(cost(.int8) < cost(.int8WideInput))
    #expect(cost(.int8) < cost(.float) && cost(.int16Weights) == cost(.float))
  }

  /// Operators without weights of convolutions cost what their arithmetic costs; a table of levels does not.
  @Test func costsOfElementsFollowTheOperator() throws {
    func cost(_ op: any Operator, _ constants: [String: Tensor] = [:], inputs: Int = 1) throws -> Double {
      var graph = Graph(architecture: "one", preprocessing: .half)
      let value = graph.append(
        op, name: "node", inputs: Array(repeating: graph.input, count: inputs), constants: constants)
      graph.outputs = [GraphOutput(name: "output", value: value)]
      return try CostTable(graph, imageSize: 8).plainMilliseconds
    }
    let three = Tensor([1, 2, 3] as [Float])
    let sum = try cost(Addition(), inputs: 2)
    #expect(try cost(Nonlinearity(.gelu)) != sum)
    #expect(try cost(Multiplication(), inputs: 2) == sum)
    #expect(try cost(PReLU(), ["slope": three]) == sum)
    #expect(try cost(LayerNormalization(epsilon: 1e-6), ["weight": three, "bias": three]) == sum)
  }

  /// No more is edited than an image's time allows, and nothing where that allows nothing.
  @Test(arguments: [1.0, 1.2, 1.5, 2.0, 100])
  func timeBoundsTheSearch(slowdown: Double) throws {
    let costs = try CostTable(Self.graph, imageSize: 8)
    let plan = QuantizationPlanner().plan(Self.graph, statistics: .init())
    let layers = Self.graph.nodes.map { RankedLayer(name: $0.name, weightCount: 16, drift: 1, reason: "a test") }
    let limit = slowdown * costs.plainMilliseconds
    var search = PlanSearch(
      EditPath(Self.graph, plan, WideReading(Self.graph, .init()), costs),
      .init(drifts: { _ in [1] }, ranking: { layers }),
      allowsFloat: true, timeLimit: limit, deadline: nil)
    guard let found = try search.fewestEdits(after: 0, leaving: [0.5], advance: {}) else {
      #expect(slowdown == 1)
      return
    }
    #expect(costs.milliseconds(found.plan) <= limit)
    if slowdown == 100 { #expect(found.edits == Self.layerCount) }
  }

  /// Attempts that fail by near ties alone end the search.
  @Test(arguments: [true, false]) func nothingIsPaidForNearTies(isOnly: Bool) throws {
    final class Tie: Attempt {
      var found: FoundPlan
      let (passesGates, meanDrift, allowedDriftShares) = (false, 0.001, [1.0])
      let (failsByNearTiesOnly, failsMainlyByNearTies): (Bool, Bool)
      init(_ found: FoundPlan, isOnly: Bool) {
        (self.found, failsByNearTiesOnly, failsMainlyByNearTies) = (found, isOnly, true)
      }
      func discard() {}
    }
    // The chain has no activations to widen, so that layers in float would be next.
    let first = Tie(FoundPlan(QuantizationPlanner().plan(Self.graph, statistics: .init())), isOnly: isOnly)
    let policy = AttemptPolicy<Tie>(
      attempt: { _ in throw GraphError.structure("nothing is attempted") },
      search: { try Self.search { _ in 1 } }, searching: { _ in throw GraphError.structure("nothing is searched for") },
      advance: {})
    #expect(try policy.best(from: first) === first)
  }
}
