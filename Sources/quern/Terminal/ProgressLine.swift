import Conversion
import Fidelity
import Glibc
import PrintableText
import Synchronization

/// A progress line on stderr that is redrawn as work goes on, with the rate and the time left. It is drawn only on a
/// terminal; elsewhere only warnings and notes appear.
final class ProgressLine: ProgressObserver {
  private struct State {
    var stage = ""
    var total: Int?
    var done = 0
    var start = ContinuousClock.now
    var drawn: ContinuousClock.Instant?
  }

  private let state = Mutex(State())
  private let draws: Bool
  private let warns: Bool

  init(quiet: Bool) {
    draws = !quiet && Terminal.isInteractive
    warns = !quiet
  }

  func begin(_ stage: String, total: Int?) {
    state.withLock { state in
      state = State(stage: stage, total: total)
      if draws { draw(&state) }
    }
  }

  func advance() {
    state.withLock { state in
      state.done += 1
      let isDue = state.drawn.map { ContinuousClock.now - $0 > .milliseconds(100) } ?? true
      if draws && isDue { draw(&state) }
    }
  }

  func end() { if draws { clear() } }

  func warn(_ message: String, details: [String]) {
    guard warns else { return }
    if draws { clear() }
    Terminal.complain("warning: " + ([message] + details).map(printable).joined(separator: "\n"))
  }

  func note(_ message: String) {
    guard warns else { return }
    if draws { clear() }
    Terminal.note(message)
  }

  private func clear() { Terminal.write("\r\u{1B}[K", to: STDERR_FILENO) }

  private func draw(_ state: inout State) {
    state.drawn = .now
    var line = "\r\u{1B}[K\(state.stage)"
    if let total = state.total, total > 0 {
      line += "  \(state.done)/\(total)"
      let elapsed = (ContinuousClock.now - state.start).seconds
      if state.done > 0, elapsed > 0.2 {
        let rate = Double(state.done) / elapsed
        line += formatted("  %.1f images/s  %.0f s left", rate, Double(total - state.done) / rate)
      }
    } else {
      line += " …"
    }
    Terminal.write(line, to: STDERR_FILENO)
  }
}
