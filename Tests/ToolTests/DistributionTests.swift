import Foundation
import Testing

/// `diff` on packages that ship with the project.
@Suite struct DistributionTests {
  private static let old = Tool.root.appendingPathComponent("fixtures/packages/version-1.0.quern").path
  private static let new = Tool.root.appendingPathComponent("fixtures/packages/worked-example.quern").path

  private static func json(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
  }

  @Test func differencesAreReported() throws {
    let outcome = try Tool.run(["diff", Self.old, Self.new, "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try Self.json(outcome)
    #expect(report["schema"] as? String == "quern.diff/1" && report["is_same"] as? Bool == false)
    let graph = try #require(report["graph"] as? [String: Any])
    // Both have a node "conv1", of different operators.
    #expect((graph["added"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["pool"])
    #expect((graph["removed"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["fc"])
    #expect((graph["changed"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["conv1"])
    #expect((report["labels"] as? [[String: Any]])?.count == 2)
    let text = try Tool.run(["diff", Self.old, Self.new])
    #expect(text.output.contains("+ pool  gem_pooling\n") && text.output.contains("- fc  toy\n"))
    #expect(text.output.contains("operator toy -> convolution"))
  }

  @Test func exitCodesFollowTheOption() throws {
    #expect(try Tool.run(["diff", Self.old, Self.old, "--exit-code"]).status == 0)
    #expect(try Tool.run(["diff", Self.old, Self.new, "--exit-code"]).status == 1)
    #expect(try Tool.run(["diff", Self.old, Self.new]).status == 0)
    #expect(try Tool.run(["diff", Self.old, Tool.checkpoint]).status == 65)
    #expect(try Tool.run(["diff", Self.old, "/nowhere"]).status == 66)
  }
}
