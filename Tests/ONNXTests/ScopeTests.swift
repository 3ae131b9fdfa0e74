import Checkpoints
import Graphs
import ModelImport
import Operators
import Tensors
import Testing

/// Names that a branch of an `If` shares with the graph around it, and functions that share theirs with operators.
@Suite struct ScopeTests {
  private static func graph(
    _ middle: [Wire], _ tensors: [Wire] = [], functions: [Wire] = []
  ) throws -> Graph {
    let graph = tensors.reduce(Wire.classifier(middle: middle)) { $0.message(5, $1) }
    let model = functions.reduce(Wire().raw(Wire.model(graph))) { $0.message(25, $1) }
    let scratch = try Scratch()
    return try importGraph(try scratch.write(model.bytes))
  }

  private static func refusal(_ middle: [Wire], _ tensors: [Wire] = [], functions: [Wire] = []) -> String? {
    do {
      _ = try graph(middle, tensors, functions: functions)
      return nil
    } catch { return "\(error)" }
  }

  // MARK: Branches

  /// An `If` whose condition holds.
  private static func branch(_ nodes: [Wire], tensors: [Wire] = [], output: String, as name: String) -> [Wire] {
    var graph = Wire()
    for node in nodes { graph = graph.message(1, node) }
    for tensor in tensors { graph = graph.message(5, tensor) }
    graph = graph.message(12, Wire.value(output, []))
    return [
      Wire.node("Constant", [], ["condition"], attributes: [Wire.int("value_int", 1)]),
      Wire.node(
        "If", ["condition"], [name],
        attributes: [Wire().text(1, "then_branch").message(6, graph).int(20, 5)]),
    ]
  }

  /// A name of a branch that is also outside of it: an initialiser, a value before the branch, and one after it.
  @Test func namesOfABranchAreNotThoseOutside() {
    let weights = [2, 2, 1, 1]
    let (inner, outer) = (Wire.floats("v", weights, [10, 20, 30, 40]), Wire.floats("v", weights, [1, 0, 0, 1]))
    let convolution = Self.branch([Wire.node("Conv", ["c", "v"], ["y"])], tensors: [inner], output: "y", as: "t")
    let rectified = Self.branch([Wire.node("Relu", ["c"], ["u"])], output: "u", as: "t")
    let cases: [(middle: [Wire], tensors: [Wire], name: String)] = [
      (convolution + [Wire.node("Conv", ["t", "v"], ["x"])], [outer], "v"),
      ([Wire.node("Sigmoid", ["c"], ["u"])] + rectified + [Wire.node("Add", ["t", "u"], ["x"])], [], "u"),
      (rectified + [Wire.node("Sigmoid", ["t"], ["u"]), Wire.node("Add", ["t", "u"], ["x"])], [], "u"),
    ]
    for (middle, tensors, name) in cases {
      let message = Self.refusal(middle, tensors)
      #expect(
        message?.contains("has a then_branch that defines '\(name)', which is defined outside") == true,
        "\(message ?? "accepted")")
    }
  }

  /// Branches of different nodes may have names in common.
  @Test func branchesShareNames() throws {
    func weights(_ numbers: [Float]) -> Wire { Wire.floats("v", [2, 2, 1, 1], numbers) }
    let nodes = [Wire.node("Conv", ["c", "v"], ["y"])]
    let first = Self.branch(nodes, tensors: [weights([10, 20, 30, 40])], output: "y", as: "t")
    let second = Self.branch(nodes, tensors: [weights([1, 0, 0, 1])], output: "y", as: "u")
    let graph = try Self.graph(first + second.dropFirst() + [Wire.node("Add", ["t", "u"], ["x"])])
    let found = graph.nodes.filter { $0.op is Convolution }.map {
      $0.constants["weight"]?.contiguous().elements(as: Float.self)
    }
    #expect(found == [[1, 2, 3, 4, 5, 6], [10, 20, 30, 40], [1, 0, 0, 1]])
  }

  @Test func namesOfABranchAreUnique() {
    let twice = [Wire.node("Relu", ["c"], ["y"]), Wire.node("Sigmoid", ["c"], ["y"])]
    let early = [Wire.node("Relu", ["z"], ["y"]), Wire.node("Sigmoid", ["c"], ["z"])]
    let outer = [Wire.node("Relu", ["c"], ["z"])]
    let cases: [(middle: [Wire], words: String)] = [
      (Self.branch(twice, output: "y", as: "x"), "computes 'y', which is defined elsewhere too"),
      (outer + Self.branch(early, output: "y", as: "x"), "reads 'z' before it is computed"),
    ]
    for (middle, words) in cases {
      let message = Self.refusal(middle)
      #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
    }
  }

  // MARK: Functions

  /// A function whose only node negates.
  private static func function(_ name: String, domain: String, opset: Int? = nil, overload: String = "") -> Wire {
    var function = Wire().text(1, name).text(4, "a").text(5, "b").message(7, Wire.node("Neg", ["a"], ["b"]))
      .text(10, domain)
    if let opset { function = function.message(9, Wire().text(1, "").int(2, opset)) }
    return overload.isEmpty ? function : function.text(13, overload)
  }

  /// Functions that are called as the operator "Relu" of a domain. ONNX Runtime runs its own operator of the name. The
  /// models use opset 17.
  static let others: [(function: Wire, domain: String, words: String)] = [
    (function("Relu", domain: ""), "", "a function that replaces the operator 'Relu'"),
    (function("Relu", domain: "ai.onnx"), "ai.onnx", "a function that replaces the operator 'Relu'"),
    (function("Relu", domain: "com.microsoft"), "com.microsoft", "a function that replaces the operator 'Relu'"),
    (function("Relu", domain: "local", opset: 13), "local", "the function 'Relu' of opset 13"),
    (function("Relu", domain: "local", overload: "other"), "local", "(local.Relu, opset 0"),
  ]

  @Test(arguments: others.indices) func functionsThatMeanSomethingElseAreRefused(index: Int) {
    let (function, domain, words) = Self.others[index]
    let message = Self.refusal([Wire.node("Relu", ["c"], ["x"], domain: domain)], functions: [function])
    #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
  }

  @Test func callsOfOverloadsAreRefused() {
    let call = Wire.node("f", ["c"], ["x"], domain: "local").text(8, "other")
    let message = Self.refusal([call], functions: [Self.function("f", domain: "local", overload: "other")])
    #expect(message?.contains("a call of an overloaded function") == true, "\(message ?? "accepted")")
  }

  /// Functions that no node calls do no harm, and those of the model's opset are read.
  @Test func otherFunctionsAreRead() throws {
    let functions = [
      Self.function("Elu", domain: ""), Self.function("unused", domain: "local", opset: 13),
      Self.function("f", domain: "local", opset: 17), Self.function("f", domain: "local", overload: "other"),
    ]
    let graph = try Self.graph([Wire.node("f", ["c"], ["x"], domain: "local")], functions: functions)
    // The factor of -1.
    #expect(graph.nodes.contains { $0.op is BatchNormalization })
  }

  @Test func twoVersionsOfADomainAreRefused() throws {
    let model = Wire().raw(Wire.model(Wire.classifier())).message(8, Wire().text(1, "ai.onnx").int(2, 13))
    let scratch = try Scratch()
    let path = try scratch.write(model.bytes)
    #expect { try importGraph(path) } throws: { "\($0)".contains("two versions of the domain") }
  }
}
