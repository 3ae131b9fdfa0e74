import FuzzTargets
import Testing

/// What fuzzing found stays fixed.
@Suite struct FoundInputsTests {
  /// The folders of fixtures/fuzzing/found are named for targets, and the files for their defects.
  @Test func everyFolderIsThatOfATarget() {
    let names = FuzzTarget.all.map(\.name)
    #expect(Set(names).count == names.count)
    for folder in Fixtures.names(in: "fuzzing/found") { #expect(names.contains(folder), "\(folder)") }
  }

  /// Each input is parsed without a trap, and in little time and memory: an error is a good answer.
  @Test(arguments: Fixtures.names(in: "fuzzing/found")) func foundInputIsParsedWithoutATrap(name: String) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    let files = Fixtures.names(in: "fuzzing/found/\(name)")
    #expect(!files.isEmpty)
    for file in files {
      print("\(name)/\(file)")
      target.run(Fixtures.bytes("fuzzing/found/\(name)/\(file)"))
    }
  }
}
