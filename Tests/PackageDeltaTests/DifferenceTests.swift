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
