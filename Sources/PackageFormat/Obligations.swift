import Graphs

/// Features that a reader has to know (formats/package.md, "Header").
package struct Obligations: OptionSet, Hashable, Sendable {
  package let rawValue: UInt64

  /// Values of the graph have remainders.
  static let remainders = Obligations(rawValue: 1)

  /// Convolutions read the remainders of their inputs, or operators pass remainders on.
  static let readRemainders = Obligations(rawValue: 2)

  /// Layers compute in float with weights of int16, or values are converted with their remainders for them.
  static let floatLayers = Obligations(rawValue: 4)

  static let known: Obligations = [.remainders, .readRemainders, .floatLayers]

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
    let hasFloatLayers = graph.nodes.contains { node in
      guard node.operatorName == Self.conversion else {
        return node.constants.contains { $0.role == "weight" && $0.elementType == .int16 }
          && Self.weighted.contains(node.operatorName)
      }
      if case .uint8WithRemainder = node.format { return true }
      return node.attributes["input_remainder"] != nil
    }
    if hasFloatLayers { insert(.floatLayers) }
  }

  /// The operators whose outputs could have remainders when there were only those.
  private static let firstMakers: Set<String> = ["convolution", "addition", "channel_scaling"]

  private static let conversion = "requantize"
  private static let weighted: Set<String> = ["convolution", "linear"]

  /// The first minor version that knows them.
  var minorVersion: Int {
    contains(.floatLayers) ? 3 : contains(.readRemainders) ? 2 : contains(.remainders) ? 1 : 0
  }
}
