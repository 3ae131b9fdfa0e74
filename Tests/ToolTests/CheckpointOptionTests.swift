import Foundation
import Testing

/// What reading a checkpoint assumes is said, and the options that change it are every command's.
@Suite struct CheckpointOptionTests {
  private static let forms = Tool.root.appendingPathComponent("fixtures/forms").path

  @Test func inspectListsAssumptionsAndNotes() throws {
    let path = "\(Self.forms)/structure-bottleneck.pth"
    let text = try Tool.run(["inspect", path])
    #expect(text.status == 0, "\(text.errors)")
    #expect(text.output.contains("conv2 (change with --stride-in conv1)"))
    let json = try Tool.run(["inspect", path, "--json", "--stride-in", "conv1", "--pooling-exponent", "2"])
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let assumptions = try #require(object["assumptions"] as? [[String: Any]])
    #expect(
      assumptions.map { $0["option"] as? String } == [
        "--output-stride or --last-stride", "--bn-epsilon", "--mean and --std",
      ])
    #expect(
      object["notes"] as? [String] == [
        "the network is read from 'state_dict'", "the logits are those of the layer 'fc'",
      ])
    #expect(object["pooling_exponent"] as? Double == 2)
  }

  @Test(arguments: ["inspect", "embed", "classify", "convert", "analyze", "bench"])
  func severalNetworksAskForTheOption(command: String) throws {
    let scratch = try Scratch()
    let path = "\(Self.forms)/model-and-ema.pth"
    let images = "\(Tool.photographs)/cat-00.jpg"
    let more: [String] =
      switch command {
      case "embed": [images, "-o", scratch.path("e.safetensors")]
      case "classify": [images]
      case "convert": ["--calibration", Tool.photographs, "-o", scratch.path("m.quern")]
      case "analyze": ["--calibration", Tool.photographs]
      default: []
      }
    let outcome = try Tool.run([command, path] + more)
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(outcome.errors.contains("--state model or --state model_ema"))
  }

  @Test func assumptionsAreSaidUnlessQuiet() throws {
    let scratch = try Scratch()
    let arguments = [
      "embed", "\(Self.forms)/structure-bottleneck.pth", "\(Tool.photographs)/cat-00.jpg", "--size", "64", "-o",
      scratch.path("e.safetensors"),
    ]
    let loud = try Tool.run(arguments)
    #expect(loud.errors.contains("assuming: the stride of a bottleneck is in its 3x3 convolution, conv2"))
    let quiet = try Tool.run(arguments + ["--quiet"])
    #expect(quiet.status == 0 && quiet.errors.isEmpty, "\(quiet.errors)")
  }

  @Test func optionsOfStateDictsAreRefusedElsewhere() throws {
    let model = Tool.root.appendingPathComponent("fixtures/onnx/tiny-opset17.onnx").path
    let outcome = try Tool.run(["inspect", model, "--state", "ema"])
    #expect(outcome.status == 64 && outcome.errors.contains("--state"), "\(outcome.errors)")
    let package = Tool.root.appendingPathComponent("fixtures/packages/worked-example.quern").path
    let refused = try Tool.run(["inspect", package, "--bn-epsilon", "1e-3"])
    #expect(refused.status == 64 && refused.errors.contains("--bn-epsilon"), "\(refused.errors)")
  }
}
