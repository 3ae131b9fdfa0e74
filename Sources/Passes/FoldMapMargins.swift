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
    var sweep = Sweep(graph)
    return sweep.patch()
  }

  /// All changes to a graph, in the order in which they would be found if each search started at the first node: a
  /// cropping can move along a long chain of convolutions.
  private struct Sweep {
    private let graph: Graph
    /// Stays valid: each value keeps its number of readers, and the index at which it is produced.
    private let neighbours: Neighbours
    /// The nodes as they are now, at the indices of the nodes that they replace; `nil` for removed ones.
    private var nodes: [Node?]
    /// The index before which a moved node is placed.
    private var places: [Int: Int] = [:]
    private var changed: Set<Int> = []
    private var notes: [String] = []

    init(_ graph: Graph) {
      self.graph = graph
      neighbours = Neighbours(graph)
      nodes = graph.nodes
    }

    mutating func patch() -> GraphPatch {
      // Each of many croppings could move along the whole graph, so the limit of steps must apply to changes as well.
      let limit = 1 + graph.nodes.count / 4
      for index in graph.nodes.indices where notes.count < limit {
        var stack = [index]
        while let current = stack.last, notes.count < limit {
          guard let moved = change(at: current) else {
            stack.removeLast()
            continue
          }
          // What changed may change again, the earlier node first.
          if moved != current { stack.append(moved) }
        }
      }
      var patch = GraphPatch(for: graph)
      var replacements: [Int: [Node]] = [:]
      for index in changed.sorted() {
        patch.remove(index)
        if let node = nodes[index] { replacements[places[index] ?? index, default: []].append(node) }
      }
      for (index, nodes) in replacements { patch.replace(index, with: nodes) }
      patch.notes = notes
      return patch
    }

    /// Changes the node at an index and the one before it, if possible. Returns the index of the first node that is new
    /// or has moved, and `nil` if nothing changed.
    private mutating func change(at index: Int) -> Int? {
      guard let node = nodes[index], let producer = neighbours.onlyReadProducer(of: node), let before = nodes[producer]
      else { return nil }
      if let margins = (node.op as? any MarginOperator)?.addedMargins, !margins.isPadding {
        if let (crop, product) = FoldMapMargins.cropBefore(node, pointwise: before) {
          (nodes[producer], nodes[index]) = (crop, product)
          places[producer] = places[index] ?? index
          note(producer, index, "\(node.name) moved before \(before.name)")
          return producer
        }
        if var windowed = before.op as? any WindowOperator,
          let window = FoldMapMargins.cropped(windowed.window, margins)
        {
          windowed.window = window
          var merged = before
          merged.op = windowed
          merged.output = node.output
          return replace(producer, index, by: merged, "\(node.name) folded into \(before.name)")
        }
      }
      guard var windowed = node.op as? any WindowOperator, node.inputs.count == 1,
        let window = FoldMapMargins.window(of: windowed, reading: before.op)
      else { return nil }
      windowed.window = window
      var merged = node
      merged.op = windowed
      merged.inputs = before.inputs
      return replace(producer, index, by: merged, "\(before.name) folded into \(node.name)")
    }

    /// Puts one node in the place of the second of two.
    private mutating func replace(_ producer: Int, _ index: Int, by merged: Node, _ text: String) -> Int {
      (nodes[producer], nodes[index]) = (nil, merged)
      note(producer, index, text)
      return index
    }

    private mutating func note(_ producer: Int, _ index: Int, _ note: String) {
      changed.formUnion([producer, index])
      notes.append(note)
    }
  }

  /// The cropping followed by the pointwise convolution whose output it cropped; `nil` if they cannot be exchanged.
  private static func cropBefore(_ node: Node, pointwise before: Node) -> (crop: Node, product: Node)? {
    guard let op = before.op as? any WindowOperator, type(of: op).readsZerosOutside, op.window.isPointwise,
      before.inputs.count == 1
    else { return nil }
    // The value between the two nodes keeps its number, although it now has another shape.
    var (crop, product) = (node, before)
    (crop.inputs, crop.output) = (before.inputs, before.output)
    (product.inputs, product.output) = ([before.output], node.output)
    return (crop, product)
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
