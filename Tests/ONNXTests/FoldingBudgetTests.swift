import Checkpoints
import ModelImport
import Testing

/// A few bytes of nodes compute millions of constants: refused by counting elements, before they are computed.
@Suite struct FoldingBudgetTests {
  private static let work = "is one computation of constants too many"
  private static let memory = "computes too many constants at once"

  /// What the importer says; `nil` where it takes the model.
  private func refusal(_ nodes: [Wire], _ tensors: [Wire]) throws -> String? {
    let scratch = try Scratch()
    let graph = tensors.reduce(Wire.classifier(middle: nodes)) { $0.message(5, $1) }
    do {
      _ = try importGraph(try scratch.write(Wire.model(graph)))
      return nil
    } catch let error as ImportError {
      return error.description
    }
  }

  private func chain(_ type: String, _ count: Int, attributes: [Wire] = [], _ inputs: (Int) -> [String]) -> [Wire] {
    (0..<count).map { Wire.node(type, inputs($0), ["k\($0 + 1)"], attributes: attributes) }
  }

  /// Every operator that computes, many times on 2^20 elements or to as many.
  @Test(
    arguments: [
      "Add", "Sum", "Where", "Exp", "Clip", "Cast", "Concat", "Gather", "Slice", "ScatterND", "Tile", "Expand", "Range",
      "ConstantOfShape", "ReduceSum", "LpNormalization", "QuantizeLinear",
    ])
  func manyNodesAreTooMuchWork(_ type: String) throws {
    let tensors = [
      Wire.integers("s", [1 << 20]), Wire.integers("n", [1 << 20]), Wire.integers("zero", [0]),
      Wire.integers("one", [1]), Wire.integers("indices", [Int](repeating: 0, count: 1 << 10)),
      Wire.tensor("start", [], type: 7, raw: [UInt8](repeating: 0, count: 8)),
      Wire.tensor("limit", [], type: 7, raw: [0, 0, 16, 0, 0, 0, 0, 0]),
      Wire.tensor("step", [], type: 7, raw: [1, 0, 0, 0, 0, 0, 0, 0]),
      Wire.tensor("index", [1, 1], type: 7, raw: [UInt8](repeating: 0, count: 8)),
      Wire.floats("update", [1], [1]), Wire.floats("scale", [], [1]), Wire.floats("fill", [1], [1]),
      Wire.floats("row", [1, 1 << 10], [Float](repeating: 0, count: 1 << 10)),
    ]
    let inputs: [String: [String]] = [
      "Add": ["k0", "k0"], "Sum": ["k0", "k0", "k0"], "Where": ["k0", "k0", "k0"], "Exp": ["k0"], "Clip": ["k0"],
      "Cast": ["k0"], "Concat": ["k0", "fill"], "Gather": ["row", "indices"], "Slice": ["k0", "zero", "n"],
      "ScatterND": ["k0", "index", "update"], "Tile": ["one", "n"], "Expand": ["fill", "n"],
      "Range": ["start", "limit", "step"], "ConstantOfShape": ["s"], "ReduceSum": ["k0"], "LpNormalization": ["k0"],
      "QuantizeLinear": ["k0", "scale"],
    ]
    let attributes: [String: [Wire]] = ["Cast": [Wire.int("to", 7)], "Concat": [Wire.int("axis", 0)]]
    let nodes = chain(type, 40, attributes: attributes[type] ?? []) { _ in inputs[type] ?? [] }
    let all = [Wire.node("ConstantOfShape", ["s"], ["k0"])] + nodes
    // All of them are needed, but only their sizes, which cost nothing.
    let sizes = (1...40).map { Wire.node("Size", ["k\($0)"], ["z\($0)"]) }
    let sum = [
      Wire.node("Sum", (1...40).map { "z\($0)" }, ["total"]),
      Wire.node("Cast", ["total"], ["t"], attributes: [Wire.int("to", 1)]), Wire.node("Add", ["c", "t"], ["x"]),
    ]
    let message = try refusal(all + zip(nodes, sizes).flatMap { [$1] } + sum, tensors)
    #expect(message?.contains(Self.work) == true || message?.contains(Self.memory) == true, "\(message ?? "accepted")")
  }

  /// Results that only their sizes are read of, 40 of 1 MiB each, more than may be kept at once.
  private func results(alsoReadBy others: [Wire]) -> ([Wire], [Wire]) {
    var nodes: [Wire] = []
    for index in 1...40 {
      nodes.append(
        Wire.node(
          "ConstantOfShape", ["s"], ["k\(index)"],
          attributes: [Wire().text(1, "value").message(5, Wire.integers("", [0])).int(20, 4)]))
      nodes.append(Wire.node("Size", ["k\(index)"], ["z\(index)"]))
    }
    nodes += [
      Wire.node("Sum", (1...40).map { "z\($0)" }, ["total"]),
      Wire.node("Cast", ["total"], ["t"], attributes: [Wire.int("to", 1)]), Wire.node("Add", ["c", "t"], ["x"]),
    ]
    return (nodes + others, [Wire.integers("s", [1 << 17])])
  }

  @Test func resultsThatNothingReadsAnyMoreAreFreed() throws {
    let (nodes, tensors) = results(alsoReadBy: [])
    #expect(try refusal(nodes, tensors) == nil)
  }

  /// The same results, which further nodes might read.
  @Test func resultsThatAreStillToBeReadAreCounted() throws {
    let (nodes, tensors) = results(alsoReadBy: (1...40).map { Wire.node("Identity", ["k\($0)"], ["u\($0)"]) })
    let message = try refusal(nodes, tensors)
    #expect(message?.contains(Self.memory) == true, "\(message ?? "accepted")")
  }

  @Test func errorsNameTheLimitAndTheRemedy() throws {
    let nodes = [Wire.node("ConstantOfShape", ["s"], ["k0"])] + chain("Add", 40) { ["k\($0)", "k\($0)"] }
    let message = try refusal(nodes + [Wire.node("Add", ["c", "k40"], ["x"])], [Wire.integers("s", [1 << 18])])
    #expect(message?.contains("at most") == true && message?.contains("onnxsim") == true, "\(message ?? "accepted")")
  }

  /// Weights that are computed of those in the file, a few times each, stay within a budget that grows with the file.
  @Test func weightsOfTheFileAreStillComputed() throws {
    let count = 1 << 20
    let tensors = [
      Wire.tensor("levels", [count], type: 3, raw: [UInt8](repeating: 1, count: count)),
      Wire.floats("scale", [], [0.5]),
      Wire.integers("axes", [0]),
    ]
    let nodes = [
      Wire.node("DequantizeLinear", ["levels", "scale"], ["k1"]), Wire.node("Neg", ["k1"], ["k2"]),
      Wire.node("Mul", ["k2", "k1"], ["k3"]), Wire.node("ReduceMean", ["k3"], ["mean"]),
      Wire.node("Squeeze", ["mean", "axes"], ["t"]), Wire.node("Add", ["c", "t"], ["x"]),
    ]
    #expect(try refusal(nodes, tensors) == nil)
  }

  @Test func manyOutputsAreNotSearched() throws {
    var graph = Wire.classifier()
    for _ in 0..<100 { graph = graph.message(12, Wire.value("c", [1, 3])) }
    let scratch = try Scratch()
    #expect { try importGraph(try scratch.write(Wire.model(graph))) } throws: {
      "\($0)".contains("at most 64 are searched")
    }
  }

  /// Each node's name is that of all others, and gets a number.
  @Test func equalNamesAreNumberedInOnePass() throws {
    let nodes = (0..<10_000).map { index in
      Wire.node(
        index % 2 == 0 ? "Sigmoid" : "Relu", [index == 0 ? "c" : "i\(index)"], [index == 9_999 ? "x" : "i\(index + 1)"]
      )
      .text(3, "n")
    }
    let scratch = try Scratch()
    let graph = try importGraph(try scratch.write(Wire.model(Wire.classifier(middle: nodes))))
    #expect(Set(graph.nodes.map(\.name)).count == graph.nodes.count)
    #expect(graph.nodes.contains { $0.name == "n_10000" })
  }
}
