/// What each effort of a conversion costs for one network and how faithful it is, next to the network in float.
package struct EffortReport: Sendable {
  /// A conversion that was carried out and verified, without writing its package.
  package struct Conversion: Sendable {
    /// The name of the effort.
    package let effort: String
    /// The fidelity of the package, whose size is that of the file that `quern convert` writes.
    package let report: FidelityReport
    /// The time of the fastest run of inference, in milliseconds per image.
    package let milliseconds: Double
    /// The time that the conversion took, verification included.
    package let seconds: Double

    package init(effort: String, report: FidelityReport, milliseconds: Double, seconds: Double) {
      (self.effort, self.report, self.milliseconds, self.seconds) = (effort, report, milliseconds, seconds)
    }

    /// The size of the package in bytes.
    package var bytes: Int? { report.package?.bytes }
  }

  /// The network before it is quantised.
  package struct FloatNetwork: Sendable {
    /// The size of its folded weights in bytes, as float32.
    package let bytes: Int
    /// The time of the fastest run of inference, in milliseconds per image.
    package let milliseconds: Double

    package init(bytes: Int, milliseconds: Double) { (self.bytes, self.milliseconds) = (bytes, milliseconds) }
  }

  /// The path of the checkpoint.
  package let checkpoint: String
  /// The width and height of the images that inference was timed with, in pixels.
  package let imageSize: Int
  /// How many threads inference was timed with.
  package let threads: Int
  package let float: FloatNetwork
  /// In the order of efforts, from the least to the greatest.
  package let conversions: [Conversion]

  package init(
    checkpoint: String, imageSize: Int, threads: Int, float: FloatNetwork, conversions: [Conversion]
  ) {
    (self.checkpoint, self.imageSize, self.threads) = (checkpoint, imageSize, threads)
    (self.float, self.conversions) = (float, conversions)
  }

  /// The best verdict on a conversion.
  package var verdict: GateResult.Verdict {
    let verdicts = conversions.map(\.report.verdict)
    return verdicts.contains(.pass) ? .pass : verdicts.contains(.inconclusive) ? .inconclusive : .fail
  }

  /// The conversions whose packages are accepted.
  package var accepted: [Conversion] { conversions.filter(\.report.isAccepted) }
}
