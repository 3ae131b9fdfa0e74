import Foundation
import PackageFormat
import Testing

/// Whose figures a package states, and who signed it.
@Suite struct SigningTests {
  private static func fixture(_ name: String) -> String { Tool.root.appendingPathComponent("fixtures/\(name)").path }
  private static let package = fixture("packages/version-1.0-converted.quern")
  private static let keyed = ["--public-key", fixture("signatures/p256.pub")]

  /// A package with the weights of one and the metadata of another, in which one text is replaced by another. Every hash
  /// of the file is right.
  private static func forged(
    _ scratch: Scratch, weights: String, metadata: String, replacing old: String = "", by new: String = ""
  ) throws -> String {
    let (reader, source) = (try PackageReader.open(path: weights), try PackageReader.open(path: metadata))
    let text = try source.metadata()
    let path = scratch.path("forged.quern")
    try PackageWriter.write(
      reader, metadata: old.isEmpty ? text : text.replacingOccurrences(of: old, with: new), to: path)
    return path
  }

  @Test func figuresOfAnotherPackageAreNoticed() throws {
    let scratch = try Scratch()
    // The same network, quantised in another way.
    let weights = scratch.path("weights.quern")
    let converted = try Tool.run([
      "convert", Self.fixture("onnx/tiny-classifier.onnx"), "--size", "32", "--calibration", Tool.photographs,
      "--calibration-count", "8", "--repetitions", "1", "--effort", "fast", "-o", weights,
    ])
    #expect(FileManager.default.fileExists(atPath: weights), "\(converted.errors)")
    let path = try Self.forged(scratch, weights: weights, metadata: Self.package)
    try Self.expectForeign(path, scratch)
  }

  @Test(arguments: [
    ("c715229c680b174dc80b72c1e44caa1e3dd8b9bec6c4b917034d9eb7986228e7", "the checkpoint"),
    ("e797259fa1b106f61b0513f429c355bafe5491fc5dd5746892f53eacf757ef5b", "the calibration images"),
    ("f6110ea5f8fefd511481ca706d9967e5421e914620bff7efef7cd5fdff408d10", "the content hash"),
  ]) func figuresOfOtherOriginAreNoticed(hash: String, of what: String) throws {
    let scratch = try Scratch()
    // The hash within the report, and not that in the record of the conversion.
    let text = try PackageReader.open(path: Self.package).metadata()
    let report = try #require(text.range(of: #""fidelity":"#), "\(what)")
    let end = try #require(text.range(of: #","plan_sha256""#))
    let changed = text[report.lowerBound..<end.lowerBound].replacingOccurrences(
      of: hash, with: String(repeating: "0", count: 64))
    let path = scratch.path("forged.quern")
    try PackageWriter.write(
      try PackageReader.open(path: Self.package),
      metadata: text.replacingCharacters(in: report.lowerBound..<end.lowerBound, with: changed), to: path)
    try Self.expectForeign(path, scratch)
  }

  private static func expectForeign(_ path: String, _ scratch: Scratch) throws {
    let plain = try Tool.run(["inspect", path])
    #expect(plain.status == 0 && plain.output.contains("NOT OF THIS PACKAGE"), "\(plain.errors)")
    #expect(!plain.output.contains("mean drift"))
    let json = try Tool.run(["inspect", path, "--json"])
    #expect(json.output.contains(#""figures" : "other_package""#))
    let signature = scratch.path("forged.sig")
    for command in [
      ["inspect", path, "--check"], ["diff", path, package], ["diff", package, path],
      ["sign", path, "--key", fixture("signatures/p256.pem"), "-o", signature],
      [
        "deb", path, "--name", "quern-weights-toy", "--version", "1", "--license", "MIT", "--maintainer",
        "Ada <ada@example.org>", "-o", scratch.path("toy.deb"),
      ],
    ] {
      let outcome = try Tool.run(command)
      #expect(outcome.status == 65 && outcome.errors.contains("are not of this package"), "\(command): \(outcome)")
    }
    #expect(!FileManager.default.fileExists(atPath: signature))
  }

  /// Every later version reads what version 1.0 wrote, whether its figures name the package or not.
  @Test(arguments: [("version-1.0-converted", "this_package"), ("version-1.0-unbound", "unknown")])
  func storedFiguresAreRead(name: String, owner: String) throws {
    let outcome = try Tool.run(["inspect", Self.fixture("packages/\(name).quern"), "--check", "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains(#""figures" : "\#(owner)""#))
    #expect(outcome.output.contains(#""mean_drift" : 0.00011412468354273757"#))
    #expect(
      outcome.output.contains(
        #""content_hash" : "f6110ea5f8fefd511481ca706d9967e5421e914620bff7efef7cd5fdff408d10""#))
    let text = try Tool.run(["inspect", Self.fixture("packages/\(name).quern")])
    #expect(text.output.contains("stated, not signed"))
    #expect(text.output.contains("name no package that they were measured on") == (owner == "unknown"))
  }

  @Test func signaturesSetTheExitStatus() throws {
    let scratch = try Scratch()
    let copy = scratch.path("version-1.0-converted.quern")
    try FileManager.default.copyItem(atPath: Self.package, toPath: copy)
    let signed = try Tool.run(["sign", copy, "--key", Self.fixture("signatures/p256.pem"), "--json"])
    #expect(signed.status == 0 && signed.output.contains("quern.signature/1"), "\(signed.errors)")
    let signature = copy + ".sig"
    func verify(_ path: String, _ options: [String] = ["--signature", signature] + Self.keyed) throws -> Tool.Outcome {
      try Tool.run(["verify", path] + options)
    }
    #expect(try verify(copy).status == 0)
    let inspected = try Tool.run(["inspect", copy, "--check", "--signature", signature] + Self.keyed)
    #expect(inspected.status == 0 && inspected.output.contains("signed by key SHA-256"), "\(inspected.errors)")

    // Another name, another byte, another key.
    let renamed = scratch.path("renamed.quern")
    try FileManager.default.copyItem(atPath: copy, toPath: renamed)
    #expect(try verify(renamed).status == 1)
    #expect(
      try verify(copy, ["--signature", signature, "--public-key", Self.fixture("signatures/other.pub")]).status == 1)
    #expect(
      try verify(copy, ["--signature", signature, "--public-key", Self.fixture("signatures/p384.pub")]).status == 1)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: copy))
    bytes.append(0)
    _ = try scratch.write(bytes, to: "version-1.0-converted.quern")
    let longer = try verify(copy)
    #expect(longer.status == 1 && longer.errors.contains("is not the file that was signed"), "\(longer.errors)")

    // What is no signature, no key, not there, or not complete.
    #expect(try verify(renamed, ["--signature", renamed] + Self.keyed).status == 65)
    #expect(try verify(renamed, ["--signature", signature, "--public-key", signature]).status == 65)
    #expect(try verify(renamed, ["--signature", "/nowhere"] + Self.keyed).status == 66)
    #expect(try verify("/nowhere").status == 66)
    #expect(try verify(renamed, ["--signature", signature]).status == 64)
    #expect(try verify(renamed, []).status == 64)
    #expect(try verify(renamed, ["--signature", signature, "--reference", Tool.checkpoint] + Self.keyed).status == 64)
    // A signature is no package, and replaces none.
    #expect(try Tool.run(["sign", signature, "--key", Self.fixture("signatures/p256.pem")]).status == 65)
    #expect(
      try Tool.run(["sign", renamed, "--key", Self.fixture("signatures/p256.pem"), "-o", renamed]).status == 64)
  }

  @Test func passphrasesComeFromFilesAndTheEnvironment() throws {
    let scratch = try Scratch()
    let right = try scratch.write(Data("quern\nmore\n".utf8), to: "right")
    let wrong = try scratch.write(Data("nreuq\n".utf8), to: "wrong")
    func sign(_ options: [String], _ environment: [String: String] = [:]) throws -> Int32 {
      try Tool.run(
        ["sign", Self.package, "--key", Self.fixture("signatures/encrypted.pem"), "-o", scratch.path("a.sig")]
          + options, environment: environment
      ).status
    }
    #expect(try sign([]) == 65 && sign(["--passphrase-file", wrong]) == 65)
    #expect(try sign([], ["QUERN_KEY_PASSPHRASE": "wrong"]) == 65)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("a.sig")))
    #expect(try sign(["--passphrase-file", "/nowhere"]) == 66)
    #expect(try sign(["--passphrase-file", right], ["QUERN_KEY_PASSPHRASE": "wrong"]) == 0)
    #expect(try sign([], ["QUERN_KEY_PASSPHRASE": "quern"]) == 0)
  }

  @Test func passphrasesNeedNotBeUTF8() throws {
    let key = Self.fixture("signatures/encrypted-latin1.pem")
    let outcome = try Tool.shell(
      #"QUERN_KEY_PASSPHRASE="$(printf 'caf\351')" "$@""#, ["sign", Self.package, "--key", key, "-o", "a.sig"],
      in: try Scratch())
    #expect(outcome.status == 0, "\(outcome)")
  }

  private static func convert(_ scratch: Scratch, _ options: [String]) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size", "64",
        "--crop", "rect", "--repetitions", "2", "-o", scratch.path("a.quern"), "--sign-key",
        fixture("signatures/p256.pem"),
      ] + options)
  }

  @Test func conversionsSignAndDocumentWhatTheyMade() throws {
    let scratch = try Scratch()
    let (provenance, bom) = (scratch.path("a.intoto.json"), scratch.path("a.cdx.json"))
    let outcome = try Self.convert(scratch, ["--report", provenance, "--report", bom])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let (package, signature) = (scratch.path("a.quern"), scratch.path("a.quern.sig"))
    let verified = try Tool.run(
      [
        "verify", package, "--signature", signature, "--reference", Tool.checkpoint, "--images", Tool.photographs,
        "--json",
      ] + Self.keyed)
    #expect(verified.status == 0 && verified.output.contains(#""key_sha256" : "#), "\(verified.errors)")
    let statement = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: provenance))) as? [String: Any])
    #expect(statement["predicateType"] as? String == "https://slsa.dev/provenance/v1")
    let report = try Tool.run(["inspect", package, "--json"])
    let content = try PackageReader.open(path: package).contentHash.hex
    #expect(report.output.contains(content) && report.output.contains(#""figures" : "this_package""#))
    for path in [provenance, bom] {
      #expect(try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8).contains(content), "\(path)")
    }
    // Metadata of another package cast doubt on a verification.
    let forged = try Self.forged(scratch, weights: package, metadata: Self.package)
    let doubted = try Tool.run(
      ["verify", forged, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--json"])
    #expect(doubted.output.contains("figures that the package states are not of this package"), "\(doubted.errors)")
    for command in [
      ["verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs], ["compare", package, package],
      ["plan", Tool.checkpoint, "--calibration", Tool.photographs, "-o", scratch.path("plan.json")],
    ] {
      let other = try Tool.run(command + ["--report", bom])
      #expect(other.status == 64 && other.errors.contains("only 'quern convert'"), "\(command): \(other.errors)")
    }
  }

  @Test func nothingIsSignedThatFailsItsGates() throws {
    let scratch = try Scratch()
    let outcome = try Self.convert(scratch, ["--max-mean-drift", "0.0000001", "--effort", "fast"])
    #expect(outcome.status == 1, "\(outcome.errors)")
    #expect(FileManager.default.fileExists(atPath: scratch.path("a.quern")))
    #expect(!FileManager.default.fileExists(atPath: scratch.path("a.quern.sig")))
    // An encrypted key without passphrase ends the conversion before any work.
    let locked = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "-o", scratch.path("b.quern"), "--sign-key",
        Self.fixture("signatures/encrypted.pem"),
      ])
    #expect(locked.status == 65 && !FileManager.default.fileExists(atPath: scratch.path("b.quern")))
  }
}
