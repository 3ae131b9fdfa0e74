import Conversion
import Fidelity
import FoundationEssentials
import Glibc
import PrintableText
import Threads

/// Progress on stderr: a line that is redrawn, a plain line now and then, or JSON. Warnings and notes interrupt it.
final class ProgressLine: ProgressObserver {
  private struct State {
    var status: ProgressStatus?
    var start = ContinuousClock.now
    /// When the stage was last shown; `nil`: not yet.
    var shown: ContinuousClock.Instant?
    var hasEstimate = false
    /// When anything was last written.
    var written = ContinuousClock.now
  }

  private let state = Mutex(State())
  private let mode: ProgressMode
  private let warns: Bool

  /// - Parameters:
  ///   - mode: how progress is shown.
  ///   - quiet: whether nothing is shown, and neither are warnings and notes.
  init(_ mode: ProgressMode, quiet: Bool) {
    self.mode = quiet ? .none : mode
    warns = !quiet
  }

  func begin(_ stage: String, total: Int?, unit: ProgressUnit) {
    state.withLock { state in
      state.status = ProgressStatus(stage: stage, unit: unit, total: total.flatMap { $0 > 0 ? $0 : nil })
      (state.start, state.shown, state.hasEstimate) = (.now, nil, false)
      show(&state, isLast: false)
    }
  }

  func advance() {
    state.withLock { state in
      state.status?.done += 1
      state.status?.seconds = (ContinuousClock.now - state.start).seconds
      show(&state, isLast: false)
    }
  }

  func end() {
    state.withLock { state in
      state.status?.seconds = (ContinuousClock.now - state.start).seconds
      show(&state, isLast: true)
      state.status = nil
    }
  }

  func warn(_ message: String, details: [String]) {
    guard warns else { return }
    clear()
    Terminal.complain("warning: " + ([message] + details).map(printable).joined(separator: "\n"))
  }

  func note(_ message: String) {
    guard warns else { return }
    clear()
    Terminal.note(message)
  }

  private func clear() { if mode == .tty { Terminal.write("\r\u{1B}[K", to: STDERR_FILENO) } }

  /// Shows where the stage is, if it is time for that.
  private func show(_ state: inout State, isLast: Bool) {
    guard let status = state.status else { return }
    let now = ContinuousClock.now
    let sinceShown = state.shown.map { (now - $0).seconds } ?? .infinity
    switch mode {
    case .none: return
    case .tty:
      if isLast { return clear() }
      if let estimate = estimate(&state) {
        clear()
        Terminal.note(estimate)
      } else if sinceShown < 0.1 {
        return
      }
      Terminal.write("\r\u{1B}[K" + String(status.line.prefix(max(Terminal.columns - 1, 0))), to: STDERR_FILENO)
    case .plain:
      // Short runs stay silent, and long ones say something once in a while.
      if let estimate = estimate(&state) {
        Terminal.note(estimate)
      } else {
        guard !isLast, (now - state.written).seconds >= ProgressMode.secondsBetweenLines else { return }
        Terminal.note(status.line)
      }
      state.written = now
    case .json:
      guard isLast || sinceShown >= 0.5, let line = status.json(isLast: isLast) else { return }
      Terminal.write(line + "\n", to: STDERR_FILENO)
    }
    state.shown = now
  }

  /// How long the stage takes, once when that can be told, and if it is long.
  private func estimate(_ state: inout State) -> String? {
    guard !state.hasEstimate, let status = state.status, status.seconds >= 3 else { return nil }
    state.hasEstimate = true
    return status.estimate
  }
}

/// How progress is shown.
enum ProgressMode: String, CaseIterable {
  case plain, tty, none, json

  /// Seconds between plain lines.
  static let secondsBetweenLines = 15.0

  /// A line that is redrawn on a terminal, and plain lines elsewhere.
  static var automatic: ProgressMode { Terminal.isInteractive ? .tty : .plain }
}

/// Where a stage is.
struct ProgressStatus {
  let stage: String
  let unit: ProgressUnit
  /// The number of steps; `nil`: unknown.
  let total: Int?
  var done = 0
  /// The seconds since the stage began.
  var seconds = 0.0

  /// The seconds that the remaining steps take at the rate of the others; `nil` where that cannot be told yet.
  var secondsLeft: Double? {
    guard let total, done > 0, done <= total, seconds > 0.2 else { return nil }
    return Double(total - done) * seconds / Double(done)
  }

  /// Such as "round  12/53 layers  3.1 layers/s  14 s left".
  var line: String {
    guard let total else { return "\(stage) …" }
    var line = "\(stage)  \(done)/\(total) \(unit)"
    if let secondsLeft {
      let rate = Double(done) / seconds
      line +=
        rate >= 1 ? formatted("  %.1f", rate) + " \(unit)/s" : formatted("  %.1f", 1 / rate) + " s per \(unit.singular)"
      line += "  \(Self.text(secondsLeft)) left"
    }
    return line
  }

  /// Such as "verify: about 18 min for 50000 images"; `nil` where it is less than a minute, or cannot be told.
  var estimate: String? {
    guard let total, let secondsLeft, seconds + secondsLeft >= 60 else { return nil }
    return "\(stage): about \(Self.text(seconds + secondsLeft)) for \(total) \(unit)"
  }

  /// A line of JSON (docs/command-line.md).
  func json(isLast: Bool) -> String? {
    struct Line: Encodable {
      let schema = "quern.progress/1"
      let stage: String
      let unit: String
      let done: Int?
      let total: Int?
      let elapsedSeconds: Double
      let remainingSeconds: Double?
      let finished: Bool
      enum CodingKeys: String, CodingKey {
        case schema, stage, unit, done, total, finished
        case elapsedSeconds = "elapsed_seconds"
        case remainingSeconds = "remaining_seconds"
      }
    }
    func rounded(_ seconds: Double) -> Double { (seconds * 10).rounded() / 10 }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let line = Line(
      stage: stage, unit: unit.rawValue, done: total == nil ? nil : done, total: total,
      elapsedSeconds: rounded(seconds), remainingSeconds: isLast ? 0 : secondsLeft.map(rounded), finished: isLast)
    return (try? encoder.encode(line)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Such as "45 s", "18 min" or "2 h 5 min".
  static func text(_ seconds: Double) -> String {
    // Nothing waits for a thousand years.
    let whole = Int(min(max(seconds, 0), 1e9).rounded())
    if whole < 90 { return "\(whole) s" }
    let minutes = (whole + 30) / 60
    return minutes < 90 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
  }
}
