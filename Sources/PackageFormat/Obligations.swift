import Graphs

/// Features that a reader has to know (formats/package.md, "Header").
package struct Obligations: OptionSet, Hashable, Sendable {
  package let rawValue: UInt64

  /// Values of the graph have remainders.
  static let remainders = Obligations(rawValue: 1)

  static let known: Obligations = [.remainders]

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// What a package of this graph asks of its readers.
  init(_ graph: GraphRecord) {
    let formats = [graph.inputFormat] + graph.nodes.map(\.format)
    let hasRemainders = formats.contains { if case .uint8WithRemainder = $0 { true } else { false } }
    self = hasRemainders ? .remainders : []
  }

  /// The first minor version that knows them.
  var minorVersion: Int { contains(.remainders) ? 1 : 0 }
}
