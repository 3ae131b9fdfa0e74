import Graphs
import Operators

/// Folds zero padding, cropping and subsampling into the window of the adjacent convolution or pooling, where that is
/// exact:
/// - Cropping the first rows and columns of an output makes the window start later.
/// - Cropping the output of a pointwise convolution is the same as cropping its input.
/// - Zeros before a convolution become its padding; zeros before a pooling are dropped if no window reads them.
/// - A window without padding at an edge can read the uncropped map directly, with negative padding at that edge.
/// - A strided 1x1 pooling before a 1x1 convolution becomes the stride of the convolution.
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

  /// Replaces the node at `index` with `nodes` and removes its producer.
  private static func patch(
    _ graph: Graph, _ producer: Int, _ index: Int, _ nodes: [Node], note: String
  ) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    patch.remove(producer)
    patch.replace(index, with: nodes)
    patch.notes.append(note)
    return patch
  }

  /// The cropping followed by the pointwise convolution whose output it cropped; `nil` if they cannot be exchanged.
  private static func cropBefore(_ node: Node, pointwise before: Node) -> [Node]? {
    guard let op = before.op as? any WindowOperator, type(of: op).readsZerosOutside, op.window.isPointwise,
      before.inputs.count == 1
    else { return nil }
    // The value between the two nodes keeps its number, although it now has another shape.
    var (crop, product) = (node, before)
    (crop.inputs, crop.output) = (before.inputs, before.output)
    (product.inputs, product.output) = ([before.output], node.output)
    return [crop, product]
  }

  /// The window whose output is that of `window` without its first rows and columns; `nil` if there is none.
  ///
  /// - Parameter added: the margins added to the output; all are zero or negative.
  private static func cropped(_ window: Window, _ added: MapMargins) -> Window? {
    guard !window.ceilMode, !window.padsToSize, added.bottom == 0, added.right == 0 else { return nil }
    var window = window
    window.top += added.top * window.strideHeight
    window.left += added.left * window.strideWidth
    return window
  }

  /// The window that gives `op` the same output when it reads the input of `before` directly; `nil` if there is none.
  private static func window(of op: any WindowOperator, reading before: any Operator) -> Window? {
    let readsZeros = type(of: op).readsZerosOutside
    guard let added = (before as? any MarginOperator)?.addedMargins else {
      guard readsZeros, op.window.isPointwise, let sampling = before as? any WindowOperator,
        !type(of: sampling).readsZerosOutside, sampling.window.taps == 1, !sampling.window.ceilMode,
        !sampling.window.padsToSize,
        sampling.window.top <= 0, sampling.window.left <= 0, sampling.window.bottom <= 0, sampling.window.right <= 0
      else { return nil }
      return sampling.window
    }
    var window = op.window
    guard !window.padsToSize else { return nil }
    if !added.isPadding {
      // Where the map was cropped, a window with padding read zeros and would now read pixels.
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
