import Graphs
import Tensors

/// Numbers of rows and columns at the four edges of a map.
package struct MapMargins: Hashable, Sendable {
  /// Rows before the first one.
  package var top: Int
  /// Columns before the first one.
  package var left: Int
  /// Rows after the last one.
  package var bottom: Int
  /// Columns after the last one.
  package var right: Int

  package init(top: Int = 0, left: Int = 0, bottom: Int = 0, right: Int = 0) {
    (self.top, self.left, self.bottom, self.right) = (top, left, bottom, right)
  }

  init(attributes: Attributes) throws(GraphError) {
    let margins = try attributes.ints("margins", count: 4)
    guard margins.allSatisfy({ 0...1024 ~= $0 }) else { throw .attribute(name: "margins", expected: "from 0 to 1024") }
    self.init(top: margins[0], left: margins[1], bottom: margins[2], right: margins[3])
  }

  /// The margins that are added where these are removed, and the other way round.
  var negated: MapMargins { MapMargins(top: -top, left: -left, bottom: -bottom, right: -right) }

  /// Whether no margin is negative.
  package var isPadding: Bool { top >= 0 && left >= 0 && bottom >= 0 && right >= 0 }

  var attributes: Attributes { ["margins": .ints([top, left, bottom, right])] }
}
