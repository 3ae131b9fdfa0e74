import Foundation
import Testing

/// Options whose values mean something else than they say.
@Suite struct OptionTests {
  private static func refusal(_ options: [String]) throws -> String {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["convert", scratch.path("never.pth"), "--calibration", scratch.path("never"), "-o", scratch.path("never.quern")]
        + options)
    #expect(outcome.status == 64, "\(outcome.errors)")
    return outcome.errors
  }

  /// Whatever else is wrong with the pair, the scale comes first.
  @Test(arguments: [
    (["--mean", "123.675,116.28,103.53"], "--mean 0.485,0.456,0.406"),
    (["--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375"], "--mean 0.485,0.456,0.406"),
    (["--mean", "0.485,0.456,0.406", "--std", "58.395,57.12,57.375"], "--std 0.229,0.224,0.225"),
    (["--std", "58.395,57.12,57.375"], "--std 0.229,0.224,0.225"),
    (["--mean", "0,0,0", "--std", "255,255,255"], "--std 1,1,1"),
    (["--mean", "127.5,127.5,127.5", "--std", "0.5,0.5,0.5"], "--mean 0.5,0.5,0.5"),
    (["--mean=-0.1,0,0"], "0...1"), (["--mean", "300,0,0"], "0...1"),
    (["--mean", "0,0,0", "--std", "0,1,1"], "more than 0"), (["--mean", "0,0,0", "--std=-1,1,1"], "more than 0"),
    (["--mean", "0.5,0.5,0.5"], "together"),
  ])
  func valuesOfOtherPixelsAreRefused(options: [String], advice: String) throws {
    #expect(try Self.refusal(options).contains(advice))
  }

  @Test(arguments: [
    (["--min-agreement", "0.95"], "give 95"), (["--min-agreement", "1"], "give 100"),
    (["--min-decisive-agreement", "0.995"], "give 99.5"), (["--min-float-top1", "0.5"], "give 50"),
    (["--min-agreement", "101"], "0 to 100 %"), (["--min-agreement=-5"], "0 to 100 %"),
    (["--min-float-top1", "1000"], "0 to 100 %"), (["--min-decisive-agreement", "100.1"], "0 to 100 %"),
    (["--max-top1-drop", "101"], "0 to 100 pp"), (["--max-top1-drop=-1"], "0 to 100 pp"),
    (["--max-mean-drift=-0.1"], "0 to 2"), (["--max-mean-drift", "2.5"], "0 to 2"), (["--max-drift", "nan"], "finite"),
    (["--max-drift", "inf"], "finite"), (["--min-agreement", "nan"], "finite"),
  ])
  func limitsOutOfRangeAreRefused(options: [String], advice: String) throws {
    let message = try Self.refusal(options)
    #expect(message.contains(advice) && message.contains(options[0].split(separator: "=")[0]), "\(message)")
  }

  /// Of analysis, too.
  @Test func analysisTakesTheSameLimits() throws {
    let outcome = try Tool.run(["analyze", "never.pth", "--calibration", "never", "--min-agreement", "0.95"])
    #expect(outcome.status == 64 && outcome.errors.contains("give 95"), "\(outcome.errors)")
  }
}
