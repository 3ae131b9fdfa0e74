import Foundation
import Testing

/// Packages for several sizes, made of the bundled network.
@Suite struct SizesTests {
  /// At sizes that the network was not trained for, up to half of the images are near ties, so that agreement is gated
  /// on the others.
  private static let calibration = [
    "--calibration", Tool.photographs, "--calibration-count", "32", "--repetitions", "2", "--min-agreement", "85",
    "--min-decisive-agreement", "95",
  ]

  private static func convert(
    _ output: String, sizes: [String], _ extra: [String] = []
  ) throws -> (status: Int32, report: [String: Any], errors: String) {
    let outcome = try Tool.run(
      ["convert", Tool.checkpoint] + calibration + sizes.flatMap { ["--size", $0] } + ["--json", "-o", output] + extra)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, try #require(report, "\(outcome.errors)"), outcome.errors)
  }

  private static func sizes(_ report: [String: Any]) throws -> [[String: Any]] {
    try #require(report["sizes"] as? [[String: Any]])
  }

  private static func drift(_ figures: [String: Any]) throws -> Double {
    try #require((figures["drift"] as? [String: Any])?["mean"] as? Double)
  }

  private static func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  private static func embed(_ model: String, _ scratch: Scratch, _ extra: [String]) throws -> (Data, errors: String) {
    let output = scratch.path("e.safetensors")
    let outcome = try Tool.run(["embed", model, Tool.photographs + "/cat-00.jpg", "-o", output] + extra)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return (try bytes(output), outcome.errors)
  }

  @Test func everySizeIsVerifiedAndServed() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let (status, report, errors) = try Self.convert(
      package, sizes: ["64", "96:4", "80"], ["--report", scratch.path("r.xml")])
    #expect(status == 0, "\(errors)")
    let sizes = try Self.sizes(report)
    // The first, and then the others ascending.
    #expect(sizes.map { $0["size"] as? Int } == [64, 80, 96])
    #expect(sizes.map { $0["pooling_exponent"] as? Double } == [3, 3, 4])
    #expect(sizes.allSatisfy { $0["images"] as? Int == 64 && $0["passed"] as? Bool == true })
    #expect(try Self.drift(report) == Self.drift(sizes[0]))
    #expect(Set(try sizes.map(Self.drift)).count == 3)
    #expect(try String(contentsOfFile: scratch.path("r.xml"), encoding: .utf8).contains("quern.fidelity.96px"))

    let inspected = try Tool.run(["inspect", package, "--check"])
    #expect(inspected.status == 0 && inspected.output.contains("format 1.0"))
    for size in ["64 pixels, square, GeM exponent 3", "96 pixels, square, GeM exponent 4", "images at 96 pixels"] {
      #expect(inspected.output.contains(size))
    }
    // The size brings its exponent with it, unless another is given.
    let own = try Self.embed(package, scratch, ["--size", "96"])
    #expect(!own.errors.contains("do not hold"))
    #expect(try Self.embed(package, scratch, ["--size", "96:4"]).0 == own.0)
    let other = try Self.embed(package, scratch, ["--size", "96", "--pooling-exponent", "3"])
    #expect(other.0 != own.0 && other.errors.contains("do not hold"))
    #expect(try Self.embed(package, scratch, []).0 == Self.embed(package, scratch, ["--size", "64"]).0)
    let timed = try Tool.run(["bench", package, "--size", "96", "--runs", "1", "--json"])
    #expect(timed.status == 0 && timed.output.contains("\"size\" : 96"), "\(timed.output)")
  }

  @Test func verificationIsOfAllSizesAndSaysWhereFiguresDoNotHold() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let (_, report, _) = try Self.convert(package, sizes: ["64:2", "96:4"])
    // Two of five images are near ties to the demonstration's network, so that the agreement on 96 says little.
    let gates = ["--min-agreement", "0", "--min-decisive-agreement", "95"]
    func verify(_ extra: [String]) throws -> [String: Any] {
      let outcome = try Tool.run(
        ["verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--json"] + gates + extra)
      #expect(outcome.status == 0, "\(outcome.errors)")
      return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }
    let all = try verify([])
    #expect(try Self.sizes(all).map { $0["pooling_exponent"] as? Double } == [2, 4])
    func notesOfFigures(_ report: [String: Any]) -> [String] {
      (report["notes"] as? [String] ?? []).filter { $0.contains("do not hold") }
    }
    #expect(notesOfFigures(all).isEmpty && all["images"] as? Int == 96)
    // One of them alone has the figures that it has beside the other.
    let one = try verify(["--size", "96"])
    #expect(notesOfFigures(one).isEmpty)
    #expect(try Self.drift(one) == Self.drift(Self.sizes(all)[1]))
    #expect(try Self.drift(Self.sizes(report)[1]) != Self.drift(one))
    for foreign in [["--size", "80"], ["--size", "96:3"], ["--crop", "rect"], ["--pooling-exponent", "3"]] {
      #expect(try notesOfFigures(verify(foreign)).count > 0, "\(foreign)")
    }
    #expect(try verify(["--pooling-exponent", "3"])["sizes"] is [[String: Any]])
  }

  /// What the float network said of undisturbed calibration images is used again in verification, at the size that it was
  /// said of, and by its exponent.
  @Test func whatIsKnownOfAnImageIsOfOneSize() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let (_, converted, _) = try Self.convert(
      package, sizes: ["64", "96", "80:4"], ["--augmentation", "none", "--verify-images", Tool.photographs])
    let outcome = try Tool.run(
      ["verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--json"])
    let verified = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
    let (a, b) = (try Self.sizes(converted).map(Self.drift), try Self.sizes(verified).map(Self.drift))
    // Equalisation moves float outputs by rounding.
    for (a, b) in zip(a, b) { #expect(abs(a - b) < 1e-3 * b) }
    #expect(a.count == 3)
  }

  @Test func orderAndThreadsHaveNoPartInTheBytes() throws {
    let scratch = try Scratch()
    let (first, second) = (scratch.path("a.quern"), scratch.path("b.quern"))
    #expect(try Self.convert(first, sizes: ["64", "96:4", "80"]).status == 0)
    #expect(try Self.convert(second, sizes: ["64", "80", "96:4"], ["--threads", "1"]).status == 0)
    #expect(try Self.bytes(first) == Self.bytes(second))
  }

  /// Where one size fails its tolerances, so does the package, and says at which; the search looks at the worse one.
  @Test func theWorstSizeDecides() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let (_, plain, _) = try Self.convert(package, sizes: ["64", "160"])
    let drifts = try Self.sizes(plain).map(Self.drift)
    let (low, high) = (try #require(drifts.min()), try #require(drifts.max()))
    #expect(low < high)
    let failing = drifts[0] > drifts[1] ? 64 : 160
    let gate = ["--max-mean-drift", String((low + high) / 2)]
    let (status, report, _) = try Self.convert(package, sizes: ["64", "160"], gate + ["--time-budget", "0"])
    #expect(status == 1 && report["passed"] as? Bool == false)
    #expect(try Self.sizes(report).map { ($0["passed"] as? Bool) == ($0["size"] as? Int != failing) } == [true, true])
    let told = try Tool.run(
      ["convert", Tool.checkpoint] + Self.calibration + ["--size", "64", "--size", "160", "-o", package] + gate
        + ["--time-budget", "0"])
    #expect(told.status == 1 && told.output.hasPrefix("FAIL") && told.output.contains("Try `--effort thorough`"))
    #expect(told.output.contains("failed, at \(failing) px"))
    let (reached, wide, _) = try Self.convert(package, sizes: ["64", "160"], gate)
    #expect(reached == 0)
    #expect((wide["settings"] as? [String: Any])?["wide_activations"] as? Int ?? 0 > 0)
  }

  /// What is asked of one size is what was asked before there could be several.
  @Test func oneSizeIsNoList() throws {
    let scratch = try Scratch()
    let (a, b) = (scratch.path("a.quern"), scratch.path("b.quern"))
    let (_, report, _) = try Self.convert(a, sizes: ["64:4"])
    #expect(report["sizes"] == nil)
    #expect(try Self.convert(b, sizes: ["64"], ["--pooling-exponent", "4"]).status == 0)
    #expect(try Self.bytes(a) == Self.bytes(b))
  }

  @Test(arguments: [
    ["--size", "64:"], ["--size", "64:0"], ["--size", "64:x"], ["--size", ":3"], ["--size", "64:3:3"], ["--size", "0"],
    ["--size", "64", "--size", "96", "--calibration-count", "1", "--repetitions", "1"],
    ["--size", "64", "--size", "8"],
    ["--size", "64", "--size", "64:4"], ["--size", "64:nan"], ["--size", "64", "--size", "8193"],
  ])
  func unfitSizesAreUsageErrors(options: [String]) throws {
    let outcome = try Tool.run(
      ["convert", Tool.checkpoint, "--calibration", Tool.photographs, "-o", "never.quern"] + options)
    #expect(outcome.status == 64, "\(outcome.errors)")
  }
}
