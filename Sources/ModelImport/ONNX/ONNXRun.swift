import Checkpoints
import Graphs

/// A translation in progress. A node is translated when a value that depends on it is first needed.
struct ONNXRun {
  var translator: ONNXTranslator
  private let schedule: ONNXSchedule
  private var translated: Set<Int> = []

  init(_ translator: ONNXTranslator) throws(ImportError) {
    self.translator = translator
    schedule = try ONNXSchedule(translator.model)
  }

  /// Translates the nodes that a value depends on.
  mutating func translate(_ name: String) throws(ImportError) {
    for node in try schedule.order(for: [name]) where translated.insert(node.index).inserted {
      try translator.translate(node)
    }
  }
}
