import Foundation
import Testing

/// Plans as files: made, taken unchanged, edited, and refused.
@Suite struct PlanTests {
  private static let settings = [
    "--calibration", Tool.photographs, "--calibration-count", "12", "--crop", "rect", "-q",
  ]
  private static let options = [Tool.checkpoint] + settings

  /// Whatever was searched for: rounding by what layers read, 16-bit inputs, layers in float and coarser steps.
  @Test(arguments: [
    (Tool.checkpoint, []), (Tool.checkpoint, ["--max-mean-drift", "0.00002"]),
    (Tool.narrowNetwork, ["--size", "57", "--effort", "thorough", "--max-mean-drift", "0.000002"]),
    (Tool.checkpoint, ["--max-bytes", "1300000", "--augmentation", "none"]),
    (Tool.checkpoint, ["--effort", "fast", "--keep-float", "layer1"]),
  ])
  func aPlanTakenUnchangedGivesTheSameBytes(checkpoint: String, extra: [String]) throws {
    let scratch = try Scratch()
    let (plan, again) = (scratch.path("a.json"), scratch.path("b.json"))
    let (direct, planned) = (scratch.path("a.quern"), scratch.path("b.quern"))
    let options = [checkpoint] + Self.settings + ["--size", "40"] + extra
    let first = try Tool.run(["convert", "-o", direct] + options)
    #expect([0, 1].contains(first.status), "\(first.errors)")
    #expect(try Tool.run(["plan", "-o", plan, "--threads", "1"] + options).status == first.status)
    let withoutPins = options.filter { !["--keep-float", "layer1"].contains($0) }
    let second = try Tool.run(["convert", "--plan", plan, "-o", planned] + withoutPins)
    #expect(second.status == first.status, "\(second.errors)")
    #expect(try Data(contentsOf: URL(filePath: direct)) == Data(contentsOf: URL(filePath: planned)))
    #expect(try Tool.run(["plan", "-o", again] + options).status == first.status)
    #expect(try String(contentsOfFile: plan, encoding: .utf8) == String(contentsOfFile: again, encoding: .utf8))
  }

  /// Ranges that clip much make the network drift, and then 16-bit inputs are planned where they are worth their time.
  @Test(arguments: [([], true), (["--max-slowdown", "1"], false), (["--effort", "fast"], false)])
  func dominantActivationsAreReadAs16Bits(extra: [String], isWidened: Bool) throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["convert", "-o", scratch.path("m.quern"), "--json", "--size", "64", "--range", "percentile:85"] + Self.options
        + ["--max-drift", "2", "--max-mean-drift", "2", "--min-agreement", "0"] + extra)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let inference = try #require(report["inference"] as? [String: Any])
    #expect((inference["layers_with_16bit_inputs"] as? Int ?? 0 > 0) == isWidened)
    let cost = try #require(inference["cost_ms"] as? Double)
    let plain = try #require(inference["plain_int8_cost_ms"] as? Double)
    // Both are rounded to two digits.
    #expect(isWidened ? cost > plain && cost <= 1.25 * plain + 0.015 : cost == plain)
  }

  private func convert(
    _ plan: String, _ scratch: Scratch, _ extra: [String] = []
  ) throws -> (outcome: Tool.Outcome, package: String) {
    let (file, package) = (scratch.path("plan.json"), scratch.path("m.quern"))
    try plan.write(toFile: file, atomically: true, encoding: .utf8)
    return (try Tool.run(["convert", "--plan", file, "-o", package, "--size", "40"] + Self.options + extra), package)
  }

  /// The maximum pooling is read by two layers, one of which goes on reading 8 bits: its range must stay what it was.
  @Test func rangesFitTheReadersOf8Bits() throws {
    let scratch = try Scratch()
    let file = scratch.path("whole.json")
    #expect(try Tool.run(["plan", "-o", file, "--size", "40"] + Self.options).status == 0)
    let data = try Data(contentsOf: URL(filePath: file))
    var plan = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    var layers = try #require(plan["layers"] as? [[String: Any]])
    var scales: [String: Double] = [:]
    for index in layers.indices {
      let name = try #require(layers[index]["name"] as? String)
      if name == "layer1.0.conv1" { layers[index]["arithmetic"] = "int8_16bit_input" }
      guard ["conv1", "maxpool"].contains(name) else { continue }
      scales[name] = (layers[index].removeValue(forKey: "output") as? [String: Any])?["scale"] as? Double
    }
    plan["layers"] = layers
    let edited = String(decoding: try JSONSerialization.data(withJSONObject: plan), as: UTF8.self)
    let (outcome, package) = try convert(edited, scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let inspected = try Tool.run(["inspect", package, "--json"])
    let object = try #require(try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) as? [String: Any])
    let nodes = try #require(object["layers"] as? [[String: Any]])
    for node in nodes {
      let name = node["name"] as? String ?? ""
      if let scale = scales[name] { #expect(node["scale"] as? Double == scale, "\(name)") }
      let readsBoth = (node["attributes"] as? String)?.contains("input_remainder=1") == true
      #expect(readsBoth == (name == "layer1.0.conv1"), "\(name)")
    }
  }

  /// What a plan leaves out is computed, and the rest taken.
  @Test func layersArePinnedByHand() throws {
    let scratch = try Scratch()
    let (outcome, package) = try convert(
      """
      {"schema": "quern.plan/1", "rounding": "nearest", "layers": [
        {"name": "conv1", "arithmetic": "float32"}, {"name": "layer1.0.conv2", "arithmetic": "int8_16bit_input"},
        {"name": "layer4.0.conv1", "arithmetic": "float32_int16_weights", "reason": "by review"},
        {"name": "layer2.0.conv1", "output": {"format": "uint8", "scale": 0.0625, "zero_point": 0}},
        {"name": "layer3.0.conv1", "min_weight_step": 0.03125}]}
      """, scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let inspected = try Tool.run(["inspect", package, "--json"])
    let object = try #require(try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) as? [String: Any])
    let layers = try #require(object["layers"] as? [[String: Any]])
    func layer(_ name: String) throws -> [String: Any] {
      try #require(layers.first { $0["name"] as? String == name }, "\(name)")
    }
    #expect(try layer("conv1")["kept_float"] as? String == "set by the plan file")
    #expect(try layer("layer4.0.conv1")["kept_float"] as? String == "by review")
    #expect(try (layer("layer1.0.conv2")["attributes"] as? String)?.contains("input_remainder=1") == true)
    #expect(try layer("layer2.0.conv1")["scale"] as? Double == 0.0625)
    #expect(try (layer("layer2.0.conv2")["attributes"] as? String)?.contains("input_remainder") == false)
  }

  @Test(arguments: [[], ["--effort", "thorough"]])
  func anEmptyPlanChangesNothing(extra: [String]) throws {
    let scratch = try Scratch()
    let (outcome, package) = try convert(#"{"schema": "quern.plan/1"}"#, scratch, extra)
    let direct = scratch.path("direct.quern")
    #expect(try Tool.run(["convert", "-o", direct, "--size", "40"] + Self.options + extra).status == outcome.status)
    #expect(try Data(contentsOf: URL(filePath: direct)) == Data(contentsOf: URL(filePath: package)))
  }

  @Test(arguments: [
    (#"{"layers": []}"#, "'schema' is missing"), ("plan", "it is not JSON"),
    (#"{"schema": "quern.plan/9"}"#, "its schema is 'quern.plan/9'"),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "layer1.0.conv9"}]}"#, "layer1.0.conv1"),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "conv1"}, {"name": "conv1"}]}"#, "two entries"),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "conv1", "arithmetic": "int4"}]}"#, "none of int8,"),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "maxpool", "arithmetic": "int8_16bit_input"}]}"#, "max_pooling"),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "classifier", "arithmetic": "int8"}]}"#, "int8 arithmetic"),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "conv1", "output": {"format": "uint8"}}]}"#, "positive scale"),
    (
      #"{"schema": "quern.plan/1", "layers": [{"name": "conv1", "output": {"format": "uint8", "scale": -1, "zero_point": 0}}]}"#,
      "positive scale"
    ),
    (#"{"schema": "quern.plan/1", "layers": [{"name": "conv1", "min_weight_step": "x"}]}"#, "another type"),
    (#"{"schema": "quern.plan/1", "equalisation": {"conv1": "AAAA"}}"#, "16 channels"),
    (#"{"schema": "quern.plan/1", "layer": []}"#, "no field 'layer'"),
    (#"{"schema": "quern.plan/1", "calibration_pixels": "0123456789a"}"#, "12 lower-case hexadecimal digits"),
    (#"{"schema": "quern.plan/1", "calibration_pixels": "0123456789AB"}"#, "12 lower-case hexadecimal digits"),
    (
      #"{"schema": "quern.plan/1", "layers": [{"name": "conv1", "arithmetc": "float32"}]}"#,
      "no field 'arithmetc' of layer 'conv1'"
    ),
    (
      #"{"schema": "quern.plan/1", "layers": [{"name": "conv1", "output": {"format": "float32", "scales": 1}}]}"#,
      "no field 'scales' of layer 'conv1'"
    ),
    (#"{"schema": "quern.plan/1", "rounding": "upwards"}"#, "nearest, error-feedback, learned"),
    (#"{"schema": "quern.plan/1", "range_method": "percentile 3"}"#, "mse"),
  ])
  func whatIsNoPlanOfTheNetworkIsRefused(plan: String, message: String) throws {
    let (outcome, package) = try convert(plan, try Scratch())
    #expect(outcome.status == 65 && outcome.errors.contains(message), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: package))
  }

  @Test(arguments: [["--keep-float", "conv1"], ["--time-budget", "3"]])
  func optionsThatAPlanDecidesAreRefused(extra: [String]) throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["convert", "--plan", "p.json", "-o", scratch.path("m.quern"), "--size", "64"] + Self.options + extra)
    #expect(outcome.status == 64 && outcome.errors.contains("--plan"), "\(outcome.errors)")
  }
}
