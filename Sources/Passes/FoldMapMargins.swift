import Graphs
import Operators

/// Moves zero padding, cropping and subsampling into the window of the convolution or pooling beside them, where that is
/// exact:
/// - cropping the first rows and columns of a result is a window that begins later;
/// - cropping the result of a pointwise convolution is cropping its input;
/// - zeros before a convolution are its own padding; before a pooling they may go where no window reads them;
/// - a window that has no padding of its own at an edge may read a cropped map in place;
/// - a 1x1 pooling before a 1x1 convolution is the convolution's stride.
package struct FoldMapMargins: Pass {
  package static let name = "fold padding and cropping"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    let neighbours = Neighbours(graph)
    for (index, node) in graph.nodes.enumerated() {
      guard let producer = neighbours.onlyReadProducer(of: node) else { continue }
      let before = graph.nodes[producer]
      if let margins = (node.op as? any MarginOperator)?.addedMargins, !margins.isPadding {
        if let swapped = Self.cropBefore(node, pointwise: before) {
          return Self.patch(graph, producer, index, swapped, note: "\(node.name) moved before \(before.name)")
        }
        if var windowed = before.op as? any WindowOperator, let window = Self.cropped(windowed.window, margins) {
          windowed.window = window
          var merged = before
          merged.op = windowed
          merged.output = node.output
          return Self.patch(graph, producer, index, [merged], note: "\(node.name) folded into \(before.name)")
        }
      }
      if var windowed = node.op as? any WindowOperator, node.inputs.count == 1,
        let window = Self.window(of: windowed, reading: before.op)
      {
        windowed.window = window
        var merged = node
        merged.op = windowed
        merged.inputs = before.inputs
        return Self.patch(graph, producer, index, [merged], note: "\(before.name) folded into \(node.name)")
      }
    }
    return GraphPatch(for: graph)
  }

  /// Puts `nodes` where the node at `index` was and removes the one before it.
  private static func patch(
    _ graph: Graph, _ producer: Int, _ index: Int, _ nodes: [Node], note: String
  ) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    patch.remove(producer)
    patch.replace(index, with: nodes)
    patch.notes.append(note)
    return patch
  }

  /// The cropping, then the pointwise convolution whose result it cropped.
  private static func cropBefore(_ node: Node, pointwise before: Node) -> [Node]? {
    guard let op = before.op as? any WindowOperator, type(of: op).readsZerosOutside, op.window.isPointwise,
      before.inputs.count == 1
    else { return nil }
    // The value between the two stays the one between the two.
    var (crop, product) = (node, before)
    (crop.inputs, crop.output) = (before.inputs, before.output)
    (product.inputs, product.output) = ([before.output], node.output)
    return [crop, product]
  }

  /// The window whose results are those of `window` without the first rows and columns.
  ///
  /// - Parameter added: to the results; none of it is positive.
  private static func cropped(_ window: Window, _ added: MapMargins) -> Window? {
    guard !window.ceilMode, added.bottom == 0, added.right == 0 else { return nil }
    var window = window
    window.top += added.top * window.strideHeight
    window.left += added.left * window.strideWidth
    return window
  }

  /// The window of an operator if it reads what `before` reads.
  private static func window(of op: any WindowOperator, reading before: any Operator) -> Window? {
    let readsZeros = type(of: op).readsZerosOutside
    guard let added = (before as? any MarginOperator)?.addedMargins else {
      guard readsZeros, op.window.isPointwise, let sampling = before as? any WindowOperator,
        !type(of: sampling).readsZerosOutside, sampling.window.taps == 1, !sampling.window.ceilMode,
        sampling.window.top <= 0, sampling.window.left <= 0, sampling.window.bottom <= 0, sampling.window.right <= 0
      else { return nil }
      return sampling.window
    }
    var window = op.window
    if !added.isPadding {
      // No window may find zeros where the map was cropped.
      guard added.top == 0 || window.top <= 0, added.left == 0 || window.left <= 0,
        added.bottom == 0 || window.bottom <= 0, added.right == 0 || window.right <= 0
      else { return nil }
    }
    window.top += added.top
    window.left += added.left
    window.bottom += added.bottom
    window.right += added.right
    if added.isPadding, readsZeros { return window }
    let isNeverRead =
      (added.top == 0 || window.top <= 0) && (added.left == 0 || window.left <= 0) && added.bottom == 0
      && added.right == 0
    return (isNeverRead || !added.isPadding) && !window.ceilMode ? window : nil
  }
}
