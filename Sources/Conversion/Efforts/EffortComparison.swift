import Fidelity
import Threads

/// Converts a network with several efforts, and measures each package without keeping it.
package struct EffortComparison {
  private let options: ConversionOptions
  private let runs: Int
  private let progress: any ProgressObserver

  /// - Parameters:
  ///   - options: the options of the conversions, whose effort does not matter. The file of `output` is never written;
  ///     temporary files are in its folder.
  ///   - runs: how many runs of inference to time for each network.
  ///   - progress: an observer of the stages of all conversions.
  package init(_ options: ConversionOptions, runs: Int, progress: any ProgressObserver) {
    (self.options, self.runs, self.progress) = (options, runs, DistinctRemarks(progress))
  }

  /// Carries out the conversions one after another, as each needs the memory of the machine.
  ///
  /// - Parameters:
  ///   - efforts: the efforts to compare, at least one.
  ///   - configure: sets an effort, and the options that follow from it.
  /// - Throws: the errors of `Converter.run`.
  package func run(
    _ efforts: [Effort], configure: (inout ConversionOptions, Effort) -> Void
  ) throws -> EffortReport {
    precondition(!efforts.isEmpty, "there is nothing to compare")
    var conversions: [EffortReport.Conversion] = []
    var float: EffortReport.FloatNetwork?
    var side = options.evaluation.size
    for effort in efforts {
      var options = options
      configure(&options, effort)
      progress.note("effort \(effort.rawValue)")
      let rehearsal = try Converter(options, progress: progress).rehearse(runs: runs, timesFloat: float == nil)
      conversions.append(
        EffortReport.Conversion(
          effort: effort.rawValue, report: rehearsal.report, milliseconds: rehearsal.milliseconds,
          seconds: rehearsal.seconds))
      float = float ?? rehearsal.float
      side = rehearsal.side
    }
    guard let float else { preconditionFailure("the first rehearsal times the float network") }
    return EffortReport(
      checkpoint: options.checkpoint, imageSize: side, threads: options.threads, float: float,
      conversions: conversions)
  }
}

/// Passes every warning and note on once: all conversions read the same checkpoint and the same images.
private final class DistinctRemarks: ProgressObserver {
  private let observer: any ProgressObserver
  private let seen = Mutex<Set<[String]>>([])

  init(_ observer: any ProgressObserver) { self.observer = observer }

  func begin(_ stage: String, total: Int?, unit: ProgressUnit) { observer.begin(stage, total: total, unit: unit) }
  func advance() { observer.advance() }
  func end() { observer.end() }

  func warn(_ message: String, details: [String]) {
    if isNew(["warning", message] + details) { observer.warn(message, details: details) }
  }

  func note(_ message: String) { if isNew(["note", message]) { observer.note(message) } }

  private func isNew(_ remark: [String]) -> Bool { seen.withLock { $0.insert(remark).inserted } }
}
