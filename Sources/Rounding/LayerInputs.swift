import Graphs
import Operators
import Runtime
import Tensors
import Threads

/// The uint8 maps that convolutions read, of enough images to estimate the second moments of each layer's input.
package final class LayerInputs: Sendable {
  /// One image's map, or a row of some of its pixels where only pointwise convolutions read the value.
  struct Map: Sendable {
    let height: Int
    let width: Int
    let channels: Int
    /// [height][width][channels].
    let levels: TensorStorage
  }

  /// The needs of the layers that read a value.
  private struct Demand {
    /// Positions to sample, over all images.
    var rows = 0
    /// Whether only pointwise convolutions read the value.
    var isPointwise = true
  }

  /// The minimum number of images that each layer is sampled from, if there are as many: neighbouring patches tell
  /// little more than one. Whole maps of them are kept; with twice as many, drift by the weights is 2 % lower, for 50
  /// MB more.
  private static let minImages = 16

  /// The quantised graph.
  let graph: Graph
  /// The indices of the nodes whose inputs are kept.
  package let nodes: Range<Int>
  private let imageCount: Int
  private let demands: [ValueID: Demand]
  private let maps: Mutex<[ValueID: [Int: Map]]>

  /// - Parameters:
  ///   - graph: a quantised graph.
  ///   - nodes: the indices of the nodes whose inputs are kept.
  ///   - imageCount: the number of images; `observer` is called with numbers from 0 to `imageCount` - 1.
  package init(_ graph: Graph, nodes: Range<Int>, imageCount: Int) {
    self.graph = graph
    self.nodes = nodes
    self.imageCount = imageCount
    var demands: [ValueID: Demand] = [:]
    for node in graph.nodes[nodes] where graph.format(of: node.inputs[0]) != .float32 {
      guard let layer = LayerGeometry(node) else { continue }
      let rows = layer.neededPositions
      demands[node.inputs[0], default: Demand()].rows = max(demands[node.inputs[0]]?.rows ?? 0, rows)
      if !layer.window.isPointwise { demands[node.inputs[0]]?.isPointwise = false }
    }
    self.demands = demands
    maps = Mutex([:])
  }

  /// The number of images needed to sample each layer of a quantised graph often enough. Layers that read pooled maps,
  /// with one position per image, have to do with the images that the others need.
  ///
  /// - Parameters:
  ///   - graph: the quantised graph.
  ///   - imageSize: the side of an image.
  /// - Throws: `GraphError` where the graph does not accept images of that size.
  package static func imageCount(for graph: Graph, imageSize: Int) throws(GraphError) -> Int {
    let shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
    return graph.nodes.reduce(4 * minImages) { count, node in
      guard let layer = LayerGeometry(node), let shape = shapes[node.output.index], shape.rank == 4,
        shape.height * shape.width > 1
      else { return count }
      return max(count, images(for: layer.neededRows, positions: shape.height * shape.width))
    }
  }

  /// About how many bytes of maps are kept at the same time.
  private static let byteLimit = 96 << 20

  /// A graph's nodes in parts of at least one node, so that the inputs of each part fit into memory together.
  ///
  /// - Parameters:
  ///   - graph: the quantised graph.
  ///   - imageSize: the side of an image.
  ///   - imageCount: the number of images.
  /// - Throws: `GraphError` where the graph does not accept images of that size.
  package static func parts(of graph: Graph, imageSize: Int, imageCount: Int) throws(GraphError) -> [Range<Int>] {
    let shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
    var (parts, start, byteCount) = ([Range<Int>](), 0, 0)
    for (index, node) in graph.nodes.enumerated() {
      guard let layer = LayerGeometry(node), let shape = shapes[node.inputs[0].index],
        shape.rank == 4
      else { continue }
      let positions = shape.height * shape.width
      let images = min(imageCount, images(for: layer.neededPositions, positions: positions))
      let rows = layer.window.isPointwise ? (layer.neededPositions + images - 1) / max(images, 1) : positions
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
  /// - Parameter shapes: the shapes of the graph's values for an image of that size, by `Graph.inferShapes`.
  package func needs(image: Int, shapes: [Shape?]) -> Bool {
    demands.contains { value, demand in
      guard let shape = shapes[value.index], shape.rank == 4 else { return false }
      return isNeeded(image: image, images: images(for: demand.rows, positions: shape.height * shape.width))
    }
  }

  /// An observer that keeps the maps, or pixels of them, that layers sample of image number `image`.
  package func observer(image: Int) -> Session.Observer {
    { value, shape, bytes in
      guard let demand = self.demands[value], shape.rank == 4 else { return }
      let positions = shape.height * shape.width
      let images = self.images(for: demand.rows, positions: positions)
      guard self.isNeeded(image: image, images: images) else { return }
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

  /// The `index`-th of `count` positions that are spread evenly, with a different offset in each image.
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
    max(minImages, (rows + positions - 1) / max(positions, 1))
  }

  /// Whether an image is one of `images` that are spread evenly over all of them.
  private func isNeeded(image: Int, images: Int) -> Bool { image * images % imageCount < images }
}

/// A convolution as groups of linear functions of the patches of its input.
struct LayerGeometry {
  let window: Window
  let groups: Int
  /// The window's height times its width.
  let taps: Int
  /// Input channels of a group.
  let depth: Int
  /// Output channels of a group.
  let outputs: Int
  /// The number of input channels whose moments are computed together; other channels count as uncorrelated with them.
  let chunk: Int

  /// The maximum number of inputs whose moments are computed together: time grows with the third power, and twice as
  /// many changed no figure.
  private static let inputLimit = 1152

  init?(_ node: Node) {
    guard let op = node.op as? Convolution, let weight = node.constants["weight"]?.shape, weight.rank == 4 else {
      return nil
    }
    (window, groups, depth) = (op.window, op.groups, weight[3])
    taps = weight[1] * weight[2]
    outputs = weight[0] / max(op.groups, 1)
    let limit = max(1, Self.inputLimit / taps)
    let chunks = (depth + limit - 1) / limit
    chunk = (depth + chunks - 1) / chunks
  }

  /// The number of samples: four times as many as inputs, because rounding fits the samples better than other inputs,
  /// the more so the fewer there are. Mean drift of a trained ResNet-50 by the weights alone, with as many samples as
  /// inputs: 0.000140, twice as many: 0.000099, four times: 0.000084, eight times: 0.000083; the last three from more
  /// images.
  var neededRows: Int { max(4 * taps * chunk, 512) }

  /// `neededRows` in positions of the input map, as a window with a stride reads only some of them.
  var neededPositions: Int { neededRows * window.strideHeight * window.strideWidth }
}
