import Files
import Graphs
import Kernels
import Operators
import PackageFormat
import PackageSamples
import Pixels
import ReferenceOperators
import Tensors
import Testing
import Threads

@Suite(.serialized) struct OperatorTests {
  @Test func everyOperatorHasASuite() {
    for type in OperatorCatalogue.all {
      #expect(Suites.all.contains { $0.operatorName == type.wireName }, "no suite for '\(type.wireName)'")
    }
  }

  /// Problems for each suite; the seed of a failing one is an argument of the test.
  static let seeds = 0..<100

  @Test(arguments: Suites.all.map(\.name))
  func agreesWithTheReferenceInEveryTierAndOnAnyThreads(name: String) throws {
    let teams = (1...3).map { ThreadTeam(count: $0) }
    for seed in Self.seeds {
      let problem = try Suites.make(name, seed: seed)
      var first: Elements?
      for (tier, kernels) in KernelTiers.runnable {
        for team in teams {
          let outcome = try NodeRun.run(
            problem.op, problem.inputs, outputFormat: problem.outputFormat, constants: problem.constants,
            kernels: kernels, team: team)
          let complaint = problem.complaint(about: outcome)
          try #require(complaint == nil, "seed \(seed), \(tier), \(team.count) threads: \(complaint ?? "")\n\(problem)")
          // Float results may differ from the reference, but not from each other.
          try #require(
            outcome.elements == first ?? outcome.elements, "seed \(seed), \(tier), \(team.count) threads: other bits")
          first = outcome.elements
        }
      }
    }
  }

  @Test(arguments: Suites.all.map(\.name))
  func survivesAPackage(name: String) throws {
    let team = ThreadTeam(count: 1)
    for seed in 0..<8 {
      let problem = try Suites.make(name, seed: 1000 + seed)
      let node = try Self.throughPackage(problem)
      #expect(node.op.attributes == problem.op.attributes)
      #expect(node.kind == type(of: problem.op).wireName)
      #expect(node.constants.keys.sorted() == problem.constants.keys.sorted())
      for (role, tensor) in problem.constants {
        let copy = try #require(node.constants[role])
        #expect(copy.elementType == tensor.elementType && copy.shape == tensor.shape)
        #expect(copy.withBytes { Array($0) } == tensor.withBytes { Array($0) })
      }
      let op = try #require(node.op as? any RunnableOperator)
      let outcome = try NodeRun.run(
        op, problem.inputs, outputFormat: problem.outputFormat, constants: node.constants, kernels: KernelSet(),
        team: team)
      let complaint = problem.complaint(about: outcome)
      #expect(complaint == nil, "seed \(seed): \(complaint ?? "")")
    }
  }

  /// The problem's node after writing and reading a package that holds it.
  private static func throughPackage(_ problem: Problem) throws -> Node {
    var graph = Graph(architecture: "problem", preprocessing: .imageNet, inputFormat: problem.inputs[0].format)
    var inputs = [graph.input]
    for (index, other) in problem.inputs.enumerated().dropFirst() {
      inputs.append(
        graph.append(Requantize(), name: "other \(index)", inputs: [graph.input], format: other.format))
    }
    let output = graph.append(
      problem.op, name: "node", inputs: inputs, constants: problem.constants, format: problem.outputFormat)
    graph.outputs = [GraphOutput(name: "output", value: output)]
    let reader = try PackageReader(try PackageWriter.encode(try Package(sample: graph)))
    let decoded = try reader.readGraph(decodeOperator: OperatorCatalogue.decode)
    for (index, node) in decoded.nodes.enumerated() {
      #expect(decoded.format(of: node.output) == graph.format(of: graph.nodes[index].output))
    }
    return try #require(decoded.nodes.last)
  }
}
