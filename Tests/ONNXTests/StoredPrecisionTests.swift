import Graphs
import ModelImport
import Operators
import Testing

/// Numbers that half precision rounds stand for exact ones only in models whose weights are stored in half precision;
/// in others, they are computed with as they are.
@Suite struct StoredPrecisionTests {
  private typealias Case = OperatorMeaningTests.Case

  private static let image = [Float](repeating: 0.1, count: 192)

  private static func isNoted(_ network: ImportedNetwork) -> Bool {
    network.notes.contains { $0.contains("half precision") }
  }

  @Test func aSlopeInHalfPrecisionMakesAHardSwish() throws {
    let nodes = OperatorMeaningTests.hardSwish(slope: 0.166_625_98)
    let network = try OperatorMeaningTests.network(Case(name: "", nodes: nodes, constants: [], isHalf: true))
    try OperatorMeaningTests.expect([3.735, 5.22], of: network.graph, Self.image)
    #expect(OperatorMeaningTests.functions(network.graph).contains(.hardSwish))
    #expect(Self.isNoted(network), "\(network.notes)")
  }

  @Test func aFactorInHalfPrecisionIsASixth() throws {
    let constants = OperatorMeaningTests.clippedConstants(factor: 0.166_625_98)
    let network = try OperatorMeaningTests.network(
      Case(name: "", nodes: OperatorMeaningTests.clipped, constants: constants, isHalf: true))
    try OperatorMeaningTests.expect([3.735, 5.22], of: network.graph, Self.image)
    #expect(Self.isNoted(network), "\(network.notes)")
  }

  @Test func aCubicInHalfPrecisionIsThatOfGELU() throws {
    let constants = OperatorMeaningTests.cubicConstants(0.044_708_25, 0.797_851_56)
    let network = try OperatorMeaningTests.network(
      Case(name: "", nodes: OperatorMeaningTests.cubic, constants: constants, isHalf: true))
    #expect(OperatorMeaningTests.functions(network.graph).contains(.tanhGELUGate))
    #expect(Self.isNoted(network), "\(network.notes)")
  }

  /// One number in half precision does not make a model of half precision.
  @Test func oneNumberInHalfPrecisionIsNotEnough() throws {
    let stray = Wire.tensor("stray", [1], type: 10, raw: [0, 0x3C])
    let nodes = OperatorMeaningTests.hardSwish(slope: 0.166_625_98)
    let network = try OperatorMeaningTests.network(Case(name: "", nodes: nodes, constants: [stray]))
    try OperatorMeaningTests.expect([3.734_710_7, 5.219_604_5], of: network.graph, Self.image)
    #expect(!Self.isNoted(network), "\(network.notes)")
  }

  static let undone: [(Bool, [Float])] = [
    (false, [3.097_623_2, 4.560_496_8]), (true, [3.098_379_8, 4.561_610_5]),
  ]

  /// The sigmoids of 0.6 and 1.5 are 0.6456563 and 0.8175745. Three times the nearest half of a third is 0.9997559.
  @Test(arguments: undone) func aFactorIsUndone(isHalf: Bool, logits: [Float]) throws {
    let nodes = [
      Wire.node("Sigmoid", ["c"], ["s"]), Wire.node("Mul", ["s", "three"], ["t"]),
      Wire.node("Mul", ["t", "third"], ["x"]),
    ]
    let constants = [Wire.floats("three", [], [3]), Wire.floats("third", [], [0.333_251_95])]
    let model = Case(name: "", nodes: nodes, constants: constants, isHalf: isHalf)
    let network = try OperatorMeaningTests.network(model)
    try OperatorMeaningTests.expect(logits, of: network.graph, Self.image)
    #expect(Self.isNoted(network) == isHalf, "\(network.notes)")
  }

  static let floors: [(Bool, Double)] = [(false, 1.013_279e-6), (true, GeneralizedMeanPooling.defaultFloor)]

  /// The nearest half of the usual floor, 1e-6, is 1.0132790e-6.
  @Test(arguments: floors) func aFloorIsTheUsualOne(isHalf: Bool, floor: Double) throws {
    let constants = [
      Wire.floats("floor", [], [1.013_279e-6]), Wire.floats("three", [], [3]), Wire.floats("root", [], [1 / 3]),
    ]
    let model = Case(name: "", nodes: OperatorMeaningTests.means, constants: constants, isHalf: isHalf)
    let network = try OperatorMeaningTests.network(model)
    let pooling = try #require(network.graph.nodes.compactMap { $0.op as? GeneralizedMeanPooling }.first)
    #expect(pooling.floor == floor)
  }
}
