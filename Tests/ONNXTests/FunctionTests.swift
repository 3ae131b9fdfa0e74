import Checkpoints
import ModelImport
import Testing

/// Functions that a model defines, and graphs inside its nodes.
@Suite struct FunctionTests {
  private static func function(_ name: String, inputs: [String], outputs: [String], _ nodes: [Wire]) -> Wire {
    var function = Wire().text(1, name)
    for input in inputs { function = function.text(4, input) }
    for output in outputs { function = function.text(5, output) }
    for node in nodes { function = function.message(7, node) }
    return function.text(10, "local")
  }

  private static func graph(_ nodes: [Wire], outputs: [String]) -> Wire {
    var graph = Wire()
    for node in nodes { graph = graph.message(1, node) }
    for output in outputs { graph = graph.message(12, Wire.value(output, [])) }
    return graph
  }

  private static func attribute(_ name: String, _ graph: Wire) -> Wire {
    Wire().text(1, name).message(6, graph).int(20, 5)
  }

  private func read(_ bytes: [UInt8]) throws -> ONNXModel {
    let scratch = try Scratch()
    // The mapped file outlives its name.
    return try #require(try Checkpoint.read(path: try scratch.write(bytes)).network)
  }

  private func model(middle: [Wire], functions: [Wire] = []) -> [UInt8] {
    functions.reduce(Wire().raw(Wire.model(Wire.classifier(middle: middle)))) { $0.message(25, $1) }.bytes
  }

  /// A function that calls another one twice, which reads an attribute that no call states.
  @Test func callsAreReplacedByTheFunctionsNodes() throws {
    let slope = Wire().text(1, "alpha").text(21, "slope").int(20, 1)
    let inner = Self.function(
      "inner", inputs: ["a"], outputs: ["b"],
      [Wire.node("Identity", ["a"], ["t"]), Wire.node("HardSigmoid", ["t"], ["b"], attributes: [slope])])
    let outer = Self.function(
      "outer", inputs: ["a"], outputs: ["b"],
      [
        Wire.node("inner", ["a"], ["t"], domain: "local"), Wire.node("inner", ["t"], ["b"], domain: "local"),
      ])
    let read = try read(
      model(middle: [Wire.node("outer", ["c"], ["x"], domain: "local")], functions: [outer, inner]))
    let types: [String] = read.nodes.map(\.operatorType)
    #expect(types.count { $0 == "Identity" } == 2)
    #expect(types.count { $0 == "HardSigmoid" } == 2)
    #expect(read.nodes.map(\.index) == Array(read.nodes.indices))
    #expect(Set(read.nodes.flatMap(\.outputs)).count == read.nodes.count)
    // The attribute is not stated, so that the operator's default applies.
    #expect(read.nodes.allSatisfy { $0.attributes["alpha"] == nil })
    #expect(try ModelImporter().importGraph(read).nodes.count > 3)
  }

  /// A node is not given a value, nor a call a function, whose name Unicode considers equal.
  @Test func namesAreReadAsBytes() throws {
    let (composed, decomposed) = ("\u{E9}", "e\u{301}")
    func middle(_ names: [String]) -> [Wire] {
      [Wire.node("Identity", ["c"], [names[0]]), Wire.node("Identity", [names[1]], ["x"])]
    }
    #expect(try read(model(middle: middle([decomposed, decomposed]))).nodes.count > 2)
    let body = [Wire.node("Identity", ["a"], ["b"])]
    func call(_ names: [String]) -> [UInt8] {
      model(
        middle: [Wire.node(names[0], ["c"], ["x"], domain: "local")],
        functions: [Self.function(names[1], inputs: ["a"], outputs: ["b"], body)])
    }
    #expect(try read(call([composed, composed])).nodes.count > 2)
    for bytes in [model(middle: middle([composed, decomposed])), call([composed, decomposed])] {
      #expect {
        try read(bytes)
      } throws: { "\($0)".contains("Unicode normal form") }
    }
  }

  @Test func callsThatMultiplyAreRefused() throws {
    // Each function calls the next one ten times.
    let functions = (0..<20).map { level in
      Self.function(
        "f\(level)", inputs: ["a"], outputs: ["b"],
        (0..<10).map { Wire.node("f\(level + 1)", ["a"], [$0 == 9 ? "b" : "t\($0)"], domain: "local") })
    }
    let bytes = model(middle: [Wire.node("f0", ["c"], ["x"], domain: "local")], functions: functions)
    let error = #expect(throws: CheckpointError.self) { try read(bytes) }
    #expect("\(try #require(error))".contains("the number of nodes in functions"))
  }

  @Test func functionsThatCallThemselvesAreRefused() throws {
    let function = Self.function(
      "f", inputs: ["a"], outputs: ["b"], [Wire.node("f", ["a"], ["b"], domain: "local")])
    let error = #expect(throws: CheckpointError.self) {
      try read(model(middle: [Wire.node("f", ["c"], ["x"], domain: "local")], functions: [function]))
    }
    #expect("\(try #require(error))".contains("the nesting of functions"))
  }

  /// The branch that is not taken may hold anything.
  @Test func aConstantConditionSelectsABranch() throws {
    let taken = Self.graph([Wire.node("Relu", ["c"], ["y"])], outputs: ["y"])
    let other = Self.graph([Wire.node("Mystery", ["c"], ["y"])], outputs: ["y"])
    for (condition, isRead) in [(1, true), (0, false)] {
      let middle = [
        Wire.node("Constant", [], ["condition"], attributes: [Wire.int("value_int", condition)]),
        Wire.node(
          "If", ["condition"], ["x"],
          attributes: [Self.attribute("then_branch", taken), Self.attribute("else_branch", other)]),
      ]
      let read = try read(model(middle: middle))
      if isRead {
        #expect(try ModelImporter().importGraph(read).nodes.contains { $0.kind == "relu" })
      } else {
        let error = #expect(throws: ImportError.self) { try ModelImporter().importGraph(read) }
        #expect("\(try #require(error))".contains("Mystery"))
      }
    }
  }

  @Test func branchesThatDoNotFitAreRefused() throws {
    let branch = Self.graph([Wire.node("Relu", ["c"], ["y"])], outputs: ["y"])
    let constant = Wire.node("Constant", [], ["condition"], attributes: [Wire.int("value_int", 1)])
    func refusal(_ attributes: [Wire], outputs: [String] = ["x"], condition: String = "condition") throws -> String {
      let middle = [constant, Wire.node("If", [condition], outputs, attributes: attributes)]
      let error = #expect(throws: ImportError.self) {
        try ModelImporter().importGraph(try read(model(middle: middle)))
      }
      return "\(try #require(error))"
    }
    #expect(try refusal([]).contains("has no then_branch"))
    #expect(try refusal([Self.attribute("then_branch", branch)], outputs: ["x", "z"]).contains("has 2 outputs"))
    #expect(try refusal([Self.attribute("then_branch", branch)], condition: "c").contains("depends on the image"))
    let missing = Self.graph([Wire.node("Relu", ["nowhere"], ["y"])], outputs: ["y"])
    #expect(try refusal([Self.attribute("then_branch", missing)]).contains("'nowhere'"))
    let empty = Self.graph([], outputs: ["nothing"])
    #expect(try refusal([Self.attribute("then_branch", empty)]).contains("'nothing'"))
  }
}
