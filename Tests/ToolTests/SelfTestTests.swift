import Foundation
import PackageFormat
import Testing

/// `quern selftest` of a package that was converted on the same machine.
@Suite struct SelfTestTests {
  private static func convert(_ scratch: Scratch, _ name: String, threads: Int) throws -> String {
    let package = scratch.path(name)
    let outcome = try Tool.run([
      "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "4", "--size", "64",
      "--crop", "rect", "--effort", "fast", "--augmentation", "none", "--max-drift", "1", "--max-mean-drift", "1",
      "--min-agreement", "0", "--threads", "\(threads)", "--quiet", "-o", package,
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    return package
  }

  private static func report(_ arguments: [String]) throws -> (status: Int32, report: [String: Any], errors: String) {
    let outcome = try Tool.run(["selftest", "--json"] + arguments)
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, try #require(json, "\(outcome.errors)"), outcome.errors)
  }

  @Test func theMachineThatConvertedPasses() throws {
    let scratch = try Scratch()
    let package = try Self.convert(scratch, "p.quern", threads: 1)
    let (status, report, _) = try Self.report([package, "--all-tiers"])
    #expect(status == 0 && report["schema"] as? String == "quern.selftest/1" && report["passed"] as? Bool == true)
    let tiers = try #require(report["tiers"] as? [[String: Any]])
    #expect(tiers.last?["tier"] as? String == "scalar" && tiers.allSatisfy { $0["passed"] as? Bool == true })
    #expect(try #require(report["checks"] as? Int) > 50 && report["skipped_checks"] as? Int == 0)
    #expect((report["disagreements"] as? [Any])?.isEmpty == true)
    // Without --all-tiers, the scalar kernels are left out, unless they are all that there is.
    let simd = try #require(try Self.report([package]).report["tiers"] as? [[String: Any]])
    #expect(simd.count == max(1, tiers.count - 1))
    let one = try #require(try Self.report([package, "--tier", "scalar"]).report["tiers"] as? [[String: Any]])
    #expect(one.map { $0["tier"] as? String } == ["scalar"])

    let text = try Tool.run(["selftest", package]).output
    #expect(text.contains("This machine computes what the package states."))
    let inspection = try Tool.run(["inspect", package, "--check"]).output
    #expect(inspection.contains("self-test") && inspection.contains("\(report["checks"] ?? 0) checks"))
    // Neither threads nor repetition change a byte.
    let again = try Self.convert(scratch, "q.quern", threads: 3)
    #expect(FileManager.default.contentsEqual(atPath: package, andPath: again))
  }

  @Test func otherInputsAreRefused() throws {
    let old = Tool.root.appendingPathComponent("fixtures/packages/version-1.0.quern").path
    let outcome = try Tool.run(["selftest", old])
    #expect(outcome.status == 65 && outcome.errors.contains("has no self-test"), "\(outcome.errors)")
    #expect(try Tool.run(["selftest", Tool.checkpoint]).status == 65)
    #expect(try Tool.run(["selftest", "absent.quern"]).status == 66)
    for (tier, message) in [("sse", "there is no tier 'sse'"), ("avx1024", "the tiers of this machine are")] {
      let outcome = try Tool.run(["selftest", old, "--tier", tier])
      #expect(outcome.status == 64 && outcome.errors.contains(message), "\(outcome.errors)")
    }
    #expect(try Tool.run(["selftest", old, "--tier", "scalar", "--all-tiers"]).status == 64)
  }

  /// A package whose self-test has one check, of the first layer, and images of one height and width.
  private static func forged(_ scratch: Scratch, _ implementation: String, images: Int, side: Int, kind: UInt8) throws
    -> String
  {
    func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    let numbers = [images, side, side, 1, 1].map { UInt32($0) }
    var package = try ForgedPackage()
    package.edit(.selfTest) { contents in
      contents = bytes(UInt32(implementation.utf8.count)) + Array(implementation.utf8) + bytes(UInt64(0))
      contents += numbers.flatMap { bytes($0) } + [kind] + bytes(UInt64(1))
    }
    try package.write(to: scratch.path("forged.quern"))
    return scratch.path("forged.quern")
  }

  /// No test takes more than the package's own images do.
  @Test(arguments: [(16, 8192), (16, 1024), (1, 72), (4, 64)])
  func testsLargerThanThePackageAreRefused(images: Int, side: Int) throws {
    let scratch = try Scratch()
    let package = try Self.forged(scratch, "quern-1", images: images, side: side, kind: 1)
    for arguments in [["selftest", package], ["inspect", package, "--check"]] {
      let outcome = try Tool.run(arguments)
      #expect(outcome.status == 65 && outcome.errors.contains("self-test section"), "\(outcome.errors)")
    }
  }

  /// Bits that another implementation computed cannot be compared, so that nothing is left.
  @Test func aTestThatComparesNothingDoesNotPass() throws {
    let scratch = try Scratch()
    let package = try Self.forged(scratch, "another", images: 1, side: 64, kind: 2)
    let outcome = try Tool.run(["selftest", package])
    #expect(outcome.status == 65 && outcome.output.isEmpty)
    #expect(outcome.errors.contains("compares no output of the network"), "\(outcome.errors)")
  }

  /// A changed check stands for a machine that computes otherwise.
  @Test func differencesAreNamed() throws {
    let scratch = try Scratch()
    let package = try Self.convert(scratch, "p.quern", threads: 2)
    let reader = try PackageReader.open(path: package)
    var record = try #require(try reader.selfTest())
    guard case .specified(let hash) = record.checks[9].expectation, record.checks[9].value == 10 else {
      Issue.record("the tenth layer is to have a hash")
      return
    }
    record.checks[9].expectation = .specified(hash ^ 1)
    try PackageWriter.write(
      reader, metadata: try reader.metadata(), selfTest: record, to: scratch.path("changed.quern"))
    let (status, report, errors) = try Self.report([scratch.path("changed.quern")])
    #expect(status == 1 && report["passed"] as? Bool == false, "\(errors)")
    let layers = try Tool.run(["inspect", package, "--json"])
    let json = try JSONSerialization.jsonObject(with: Data(layers.output.utf8)) as? [String: Any]
    let name = try #require((json?["layers"] as? [[String: Any]])?[9]["name"] as? String)
    for tier in try #require(report["tiers"] as? [[String: Any]]) {
      #expect(tier["suspects"] as? [String] == [name])
      #expect((tier["differences"] as? [[String: Any]])?.map { $0["layer"] as? String } == [name])
      #expect(tier["failed_threads"] as? Int == tier["threads"] as? Int)
    }
    let text = try Tool.run(["selftest", scratch.path("changed.quern")])
    #expect(text.status == 1 && text.output.contains("DIFFERS") && text.output.contains("layer \(name)"))
    // For everyone else, it is the same package.
    #expect(try Tool.run(["inspect", scratch.path("changed.quern"), "--check"]).status == 0)
  }
}
