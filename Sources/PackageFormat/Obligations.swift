import Graphs

/// Features that a reader has to know (formats/package.md, "Header").
package struct Obligations: OptionSet, Hashable, Sendable {
  package let rawValue: UInt64

  /// Values of the graph have remainders.
  static let remainders = Obligations(rawValue: 1)

  /// Convolutions read the remainders of their inputs, or operators pass remainders on.
  static let readRemainders = Obligations(rawValue: 2)

  /// Values are converted with their remainders, as layers that compute in float ask for.
  static let convertRemainders = Obligations(rawValue: 4)

  static let known: Obligations = [.remainders, .readRemainders, .convertRemainders]

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// What a package of this graph asks of its readers.
  init(_ graph: GraphRecord) {
    let formats = [graph.inputFormat] + graph.nodes.map(\.format)
    let hasRemainders = formats.contains { if case .uint8WithRemainder = $0 { true } else { false } }
    let readsThem = graph.nodes.contains { node in
      guard node.operatorName != Self.conversion else { return false }
      guard node.attributes["input_remainder"] == nil else { return true }
      guard case .uint8WithRemainder = node.format else { return false }
      return !Self.firstMakers.contains(node.operatorName)
    }
    self = hasRemainders ? .remainders : []
    if readsThem { insert(.readRemainders) }
    let convertsThem = graph.nodes.contains { node in
      guard node.operatorName == Self.conversion else { return false }
      if case .uint8WithRemainder = node.format { return true }
      return node.attributes["input_remainder"] != nil
    }
    if convertsThem { insert(.convertRemainders) }
  }

  /// The operators whose outputs could have remainders when there were only those.
  private static let firstMakers: Set<String> = ["convolution", "addition", "channel_scaling"]

  private static let conversion = "requantize"

  /// The first minor version that knows them.
  var minorVersion: Int {
    contains(.convertRemainders) ? 3 : contains(.readRemainders) ? 2 : contains(.remainders) ? 1 : 0
  }
}
