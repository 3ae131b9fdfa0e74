import Graphs
import Operators
import Runtime
import Synchronization
import Tensors

/// The uint8 maps that convolutions read, of a few images: enough of them to tell the second moments of each layer's input.
package final class LayerInputs: Sendable {
  /// One image's map; of a value that only pointwise convolutions read, a line of some of its pixels.
  struct Map: Sendable {
    let height: Int
    let width: Int
    let channels: Int
    /// [height][width][channels].
    let levels: TensorStorage
  }

  /// What the layers that read a value want of it.
  private struct Demand {
    var rows = 0
    var isPointwise = true
  }

  /// Images that each layer is sampled from, at least and where there are as many: neighbouring patches tell little more
  /// than one. Whole maps are kept of them; of twice as many, weights drift 2 % less, for 50 MB more.
  private static let leastImages = 16

  let graph: Graph
  /// The nodes whose inputs are kept.
  package let nodes: Range<Int>
  private let imageCount: Int
  private let demands: [ValueID: Demand]
  private let maps: Mutex<[ValueID: [Int: Map]]>

  /// - Parameters:
  ///   - graph: a quantised graph.
  ///   - nodes: those whose inputs are kept, by their indices.
  ///   - imageCount: how many images `observer` will be called for, by their numbers from 0.
  package init(_ graph: Graph, nodes: Range<Int>, imageCount: Int) {
    self.graph = graph
    self.nodes = nodes
    self.imageCount = imageCount
    var demands: [ValueID: Demand] = [:]
    for node in graph.nodes[nodes] where graph.format(of: node.inputs[0]) != .float32 {
      guard let layer = LayerGeometry(node) else { continue }
      let rows = layer.wantedPositions
      demands[node.inputs[0], default: Demand()].rows = max(demands[node.inputs[0]]?.rows ?? 0, rows)
      if !layer.window.isPointwise { demands[node.inputs[0]]?.isPointwise = false }
    }
    self.demands = demands
    maps = Mutex([:])
  }

  /// Images that it takes for each layer of a quantised graph to be sampled as often as it should. Layers of pooled maps,
  /// of which an image has one position, take what others need.
  ///
  /// - Parameter imageSize: an image's side.
  package static func imageCount(for graph: Graph, imageSize: Int) throws(GraphError) -> Int {
    let shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
    return graph.nodes.reduce(4 * leastImages) { most, node in
      guard let layer = LayerGeometry(node), let shape = shapes[node.output.index], shape.rank == 4,
        shape.height * shape.width > 1
      else { return most }
      return max(most, images(for: layer.wantedRows, positions: shape.height * shape.width))
    }
  }

  /// Bytes of maps that are kept at the same time, about.
  private static let byteLimit = 96 << 20

  /// A graph's nodes in parts whose inputs fit into memory together, each at least one node.
  ///
  /// - Parameters:
  ///   - imageSize: an image's side.
  ///   - imageCount: images that there are.
  package static func parts(of graph: Graph, imageSize: Int, imageCount: Int) throws(GraphError) -> [Range<Int>] {
    let shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
    var (parts, start, byteCount) = ([Range<Int>](), 0, 0)
    for (index, node) in graph.nodes.enumerated() {
      guard let layer = LayerGeometry(node), let shape = shapes[node.inputs[0].index],
        shape.rank == 4
      else { continue }
      let positions = shape.height * shape.width
      let images = min(imageCount, images(for: layer.wantedPositions, positions: positions))
      let rows = layer.window.isPointwise ? (layer.wantedPositions + images - 1) / max(images, 1) : positions
      let bytes = images * min(rows, positions) * shape.channels
      if byteCount + bytes > byteLimit, byteCount > 0 {
        parts.append(start..<index)
        (start, byteCount) = (index, 0)
      }
      byteCount += bytes
    }
    return parts + [start..<graph.nodes.count]
  }

  /// Whether a layer among `nodes` samples image number `image`.
  ///
  /// - Parameter shapes: of the graph's values for an image of that size, by `Graph.inferShapes`.
  package func needs(image: Int, shapes: [Shape?]) -> Bool {
    demands.contains { value, demand in
      guard let shape = shapes[value.index], shape.rank == 4 else { return false }
      return isWanted(image: image, images: images(for: demand.rows, positions: shape.height * shape.width))
    }
  }

  /// An observer that keeps what layers want of image number `image`.
  package func observer(image: Int) -> Session.Observer {
    { value, shape, bytes in
      guard let demand = self.demands[value], shape.rank == 4 else { return }
      let positions = shape.height * shape.width
      let images = self.images(for: demand.rows, positions: positions)
      guard self.isWanted(image: image, images: images) else { return }
      let rows = (demand.rows + images - 1) / images
      let map: Map
      if demand.isPointwise, rows < positions {
        let levels = TensorStorage(byteCount: rows * shape.channels) { levels in
          for index in 0..<rows {
            let position = Self.position(index, of: rows, among: positions, image: image)
            let pixel = bytes[position * shape.channels..<(position + 1) * shape.channels]
            UnsafeMutableRawBufferPointer(rebasing: levels[(index * shape.channels)...]).copyMemory(
              from: UnsafeRawBufferPointer(rebasing: pixel))
          }
        }
        map = Map(height: 1, width: rows, channels: shape.channels, levels: levels)
      } else {
        let levels = TensorStorage(byteCount: shape.elementCount) {
          $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(shape.elementCount)))
        }
        map = Map(height: shape.height, width: shape.width, channels: shape.channels, levels: levels)
      }
      self.maps.withLock { $0[value, default: [:]][image] = map }
    }
  }

  /// The `index`-th of `count` positions that are evenly spread, and lie elsewhere in each image.
  static func position(_ index: Int, of count: Int, among positions: Int, image: Int) -> Int {
    (index * positions + image * 7919 % positions) / count % positions
  }

  /// The maps of a value, in the order of the images.
  func maps(of value: ValueID) -> [Map] {
    maps.withLock { $0[value] ?? [:] }.sorted { $0.key < $1.key }.map(\.value)
  }

  private func images(for rows: Int, positions: Int) -> Int {
    min(imageCount, Self.images(for: rows, positions: positions))
  }

  private static func images(for rows: Int, positions: Int) -> Int {
    max(leastImages, (rows + positions - 1) / max(positions, 1))
  }

  /// Spreads `images` images evenly over all.
  private func isWanted(image: Int, images: Int) -> Bool { image * images % imageCount < images }
}

/// A convolution as groups of linear functions of the patches of its input.
struct LayerGeometry {
  let window: Window
  let groups: Int
  let taps: Int
  /// Input and output channels of a group.
  let depth: Int
  let outputs: Int
  /// Input channels whose moments are taken together; those of others are taken as unrelated.
  let chunk: Int

  /// The most inputs whose moments are taken together: time grows with the third power, and twice as many changed no
  /// figure.
  private static let inputLimit = 1152

  init?(_ node: Node) {
    guard let op = node.op as? Convolution, let weight = node.constants["weight"]?.shape, weight.rank == 4 else {
      return nil
    }
    (window, groups, depth) = (op.window, op.groups, weight[3])
    taps = weight[1] * weight[2]
    outputs = weight[0] / max(op.groups, 1)
    let most = max(1, Self.inputLimit / taps)
    let chunks = (depth + most - 1) / most
    chunk = (depth + chunks - 1) / chunks
  }

  /// Four times as many as there are inputs: rounding fits the samples better than what it did not see, the more so the
  /// fewer there are. Mean drift by the weights alone of a trained ResNet-50, with as many samples as inputs: 0.000140,
  /// twice as many: 0.000099, four times: 0.000084, eight times: 0.000083; the three from more images.
  var wantedRows: Int { max(4 * taps * chunk, 512) }

  /// The same in positions of the map, of which a window that strides sees only some.
  var wantedPositions: Int { wantedRows * window.strideHeight * window.strideWidth }
}
