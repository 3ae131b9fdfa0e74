import Graphs
import Operators

/// Moves zero padding, cropping and subsampling into the window of the convolution or pooling beside them, where that is
/// exact:
/// - cropping the first rows and columns of a result is a window that begins later;
/// - cropping the result of a pointwise convolution is cropping its input;
/// - zeros before a convolution are its own padding; before a pooling they may go where no window reads them;
/// - a window that has no padding of its own at an edge may read a cropped map in place;
/// - a 1x1 pooling before a 1x1 convolution is the convolution's stride.
public struct FoldMapMargins: Pass {
  public static let name = "fold padding and cropping"

  public init() {}

  public func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    let neighbours = Neighbours(graph)
    for (index, node) in graph.nodes.enumerated() {
      guard let producer = neighbours.onlyReadProducer(of: node) else { continue }
      let before = graph.nodes[producer]
      if let cropping = node.op as? Cropping {
        if let swapped = Self.cropBefore(cropping, node, pointwise: before, graph) {
          return Self.patch(graph, producer, index, swapped, note: "\(node.name) moved before \(before.name)")
        }
        if let windowed = WindowedOperator(before.op), let window = Self.cropped(windowed.window, cropping.margins) {
          var merged = before
          merged.op = windowed.with(window)
          merged.output = node.output
          return Self.patch(graph, producer, index, [merged], note: "\(node.name) folded into \(before.name)")
        }
      }
      if let windowed = WindowedOperator(node.op), node.inputs.count == 1,
        let window = Self.window(of: windowed, reading: before.op)
      {
        var merged = node
        merged.op = windowed.with(window)
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
  private static func cropBefore(
    _ cropping: Cropping, _ node: Node, pointwise before: Node, _ graph: Graph
  ) -> [Node]? {
    guard let convolution = before.op as? Convolution, convolution.window.isPointwise, before.inputs.count == 1 else {
      return nil
    }
    // The value between the two stays the one between the two.
    var (crop, product) = (node, before)
    (crop.inputs, crop.output) = (before.inputs, before.output)
    (product.inputs, product.output) = ([before.output], node.output)
    return [crop, product]
  }

  /// The window whose results are those of `window` without the first rows and columns.
  private static func cropped(_ window: Window, _ margins: MapMargins) -> Window? {
    guard !window.ceilMode, margins.bottom == 0, margins.right == 0 else { return nil }
    var window = window
    window.top -= margins.top * window.strideHeight
    window.left -= margins.left * window.strideWidth
    return window
  }

  /// The window of an operator if it reads what `before` reads.
  private static func window(of op: WindowedOperator, reading before: any Operator) -> Window? {
    var window = op.window
    switch before {
    case let padding as ZeroPadding:
      let margins = padding.margins
      window.top += margins.top
      window.left += margins.left
      window.bottom += margins.bottom
      window.right += margins.right
      if op.isConvolution { return window }
      let isNeverRead =
        (margins.top == 0 || window.top <= 0) && (margins.left == 0 || window.left <= 0) && margins.bottom == 0
        && margins.right == 0
      return isNeverRead && !window.ceilMode ? window : nil
    case let cropping as Cropping:
      let margins = cropping.margins
      guard margins.top == 0 || window.top <= 0, margins.left == 0 || window.left <= 0,
        margins.bottom == 0 || window.bottom <= 0, margins.right == 0 || window.right <= 0, !window.ceilMode
      else { return nil }
      window.top -= margins.top
      window.left -= margins.left
      window.bottom -= margins.bottom
      window.right -= margins.right
      return window
    default:
      guard op.isConvolution, window.isPointwise, let sampling = WindowedOperator(before), !sampling.isConvolution,
        sampling.window.taps == 1, !sampling.window.ceilMode, sampling.window.top <= 0, sampling.window.left <= 0,
        sampling.window.bottom <= 0, sampling.window.right <= 0
      else { return nil }
      return sampling.window
    }
  }
}

/// An operator that reduces windows of a map.
private struct WindowedOperator {
  let window: Window
  let isConvolution: Bool
  private let replace: (Window) -> any Operator

  init?(_ op: any Operator) {
    switch op {
    case let convolution as Convolution:
      (window, isConvolution) = (convolution.window, true)
      replace = {
        var result = convolution
        result.window = $0
        return result
      }
    case let pooling as MaxPooling:
      (window, isConvolution) = (pooling.window, false)
      replace = { MaxPooling(window: $0) }
    case let pooling as AveragePooling:
      (window, isConvolution) = (pooling.window, false)
      replace = { AveragePooling(window: $0, countsPadding: pooling.countsPadding) }
    default: return nil
    }
  }

  func with(_ window: Window) -> any Operator { replace(window) }
}
