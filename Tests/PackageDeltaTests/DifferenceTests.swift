import Graphs
import PackageDelta
import PackageFormat
import Testing

@Suite struct DifferenceTests {
  private static func difference(_ change: (inout SmallPackage) -> Void) throws -> GraphDifference {
    var changed = SmallPackage()
    change(&changed)
    return GraphDifference(old: try SmallPackage().reader().graph, new: try changed.reader().graph)
  }

  @Test func equalGraphsDoNotDiffer() throws { #expect(try Self.difference { $0.levels[0] = 9 }.isEmpty) }

  @Test func attributesAndFormatsAreNamed() throws {
    let difference = try Self.difference {
      $0.stride = 1
      $0.scale = 0.25
    }
    #expect(difference.added.isEmpty && difference.removed.isEmpty && !difference.isReordered)
    #expect(difference.changed.map(\.name) == ["conv"])
    #expect(
      difference.changed.first?.changes
        == [
          PropertyChange("stride", "[2,2]", "[1,1]"), PropertyChange("scale", "0.5", "0.25"),
        ].compactMap(\.self))
  }

  @Test func addedNodesChangeTheInputsOfOthers() throws {
    let difference = try Self.difference { $0.extraNode = "relu" }
    #expect(difference.added.map(\.name) == ["relu"] && difference.added.map(\.op) == ["any"])
    #expect(difference.changed.map(\.name) == ["fc"])
    #expect(difference.changed.first?.changes == [PropertyChange("inputs", "conv", "relu")].compactMap(\.self))
  }

  private static func change(_ old: AttributeValue?, _ new: AttributeValue?) throws -> PropertyChange? {
    let packages = [old, new].map { value in
      var package = SmallPackage()
      package.table = value
      return package
    }
    let difference = GraphDifference(old: try packages[0].reader().graph, new: try packages[1].reader().graph)
    return difference.changed.first?.changes.first
  }

  @Test func longListsAreShownByTheirFirstDifference() throws {
    var numbers = (0..<3000).map(Double.init)
    let before = AttributeValue.floats(numbers)
    numbers[2000] = -0.5
    #expect(
      try Self.change(before, .floats(numbers))
        == PropertyChange(
          "table", "3000 numbers, first difference at 2000: 2000.0", "3000 numbers, first difference at 2000: -0.5"))
    #expect(
      try Self.change(.ints(Array(0..<16)), .ints(Array(0..<17)))
        == PropertyChange(
          "table", "16 numbers, first difference at 16: none", "17 numbers, first difference at 16: 16"))
    #expect(
      try Self.change(.ints(Array(1...16)), .ints([1]))
        == PropertyChange("table", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", "[1]"))
    #expect(
      try Self.change(nil, .ints(Array(5...30)))
        == PropertyChange("table", nil, "26 numbers, the first 5"))
    let zeros = [Double](repeating: 0, count: 100)
    #expect(try Self.change(.floats(zeros), .floats(zeros)) == nil)
    #expect(
      try Self.change(.floats(zeros), .floats(zeros.map { -$0 }))
        == PropertyChange(
          "table", "100 numbers, first difference at 0: 0.0", "100 numbers, first difference at 0: -0.0"))
    let text = String(repeating: "a", count: 1000)
    #expect(
      try Self.change(.string(text), .string(text + "b"))
        == PropertyChange(
          "table", "1000 bytes, first difference at 1000: ", "1001 bytes, first difference at 1000: b"))
    #expect(try Self.change(.string("a"), .string("b")) == PropertyChange("table", "a", "b"))
    // The same letter in two normal forms, whose strings are equal.
    #expect(try Self.change(.string("\u{E9}"), .string("e\u{301}"))?.property == "table")
  }

  @Test func constantsAreFoundAmongMany() throws {
    func withConstants(_ roles: Range<Int>) -> SmallPackage {
      var package = SmallPackage()
      for role in roles { package.constants["c\(role)"] = Float(role) }
      return package
    }
    let (old, new) = (try withConstants(0..<300).reader(), try withConstants(1..<301).reader())
    let difference = GraphDifference(old: old.graph, new: new.graph)
    #expect(
      difference.changed.first?.changes
        == [PropertyChange("c0", "float32 1", nil), PropertyChange("c300", nil, "float32 1")].compactMap(\.self))
    #expect(try ConstantDifference.all(old: old, new: new).count == 299 + 3)
    // Constants with equal contents are copied, whatever their roles.
    var moved = SmallPackage()
    for role in 0..<300 { moved.constants["c\(role)"] = Float(299 - role) }
    let patch = try PatchMaker.make(old: old, new: try moved.reader())
    #expect(patch.figures.copied >= 303)
    #expect(patch.figures.literal + patch.figures.differences + patch.figures.prefixed <= 1)
  }

  @Test func levelsAreCounted() throws {
    var changed = SmallPackage()
    changed.levels[3] = SmallPackage().levels[3] + 1
    changed.levels[5999] = SmallPackage().levels[5999] - 4
    changed.scales[0] = SmallPackage().scales[0] + 0.5
    let all = try ConstantDifference.all(old: SmallPackage().reader(), new: changed.reader(), threads: 2)
    #expect(all.map(\.role) == ["bias", "weight", "weight_scale"])
    #expect(all.map(\.differing) == [0, 2, 1])
    #expect(all.map(\.elements) == [40, 6000, 40])
    #expect(all.map(\.elementType) == ["int32", "int8", "float32"])
    #expect(all[1].maxChange == 4)
    #expect(abs(try #require(all[2].maxChange) - 0.5) < 1e-6)
  }
}
