import Graphs
import Operators
import Runtime
import Synchronization
import Tensors

/// The uint8 maps that convolutions read, of a few images: enough of them to tell the second moments of each layer's input.
public final class LayerInputs: Sendable {
  /// One image's map.
  struct Map: Sendable {
    let height: Int
    let width: Int
    let channels: Int
    let levels: [UInt8]
  }

  /// Images that layers are sampled from, at most and, where there are as many, at least.
  public static let imageLimit = 64
  private static let leastImages = 8

  let graph: Graph
  private let imageCount: Int
  /// Rows that the layers which read a value want of it.
  private let wantedRows: [ValueID: Int]
  private let maps: Mutex<[ValueID: [Int: Map]]>

  /// - Parameters:
  ///   - graph: a quantised graph.
  ///   - imageCount: how many images `record` will be called for, by their numbers from 0.
  public init(_ graph: Graph, imageCount: Int) {
    self.graph = graph
    self.imageCount = imageCount
    var wanted: [ValueID: Int] = [:]
    for node in graph.nodes where node.op is Convolution {
      guard let layer = LayerGeometry(node) else { continue }
      wanted[node.inputs[0]] = max(wanted[node.inputs[0]] ?? 0, layer.wantedRows)
    }
    wantedRows = wanted
    maps = Mutex([:])
  }

  /// An observer that keeps what layers want of image number `image`.
  public func observer(image: Int) -> Session.Observer {
    { value, shape, bytes in
      guard let rows = self.wantedRows[value], shape.rank == 4,
        self.isWanted(image: image, images: self.images(for: rows, positions: shape.height * shape.width))
      else { return }
      let levels = Array(bytes.prefix(shape.elementCount))
      let map = Map(height: shape.height, width: shape.width, channels: shape.channels, levels: levels)
      self.maps.withLock { $0[value, default: [:]][image] = map }
    }
  }

  /// The maps of a value, in the order of the images.
  func maps(of value: ValueID) -> [Map] {
    maps.withLock { $0[value] ?? [:] }.sorted { $0.key < $1.key }.map(\.value)
  }

  private func images(for rows: Int, positions: Int) -> Int {
    min(imageCount, max(Self.leastImages, (rows + positions - 1) / max(positions, 1)))
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

  /// The most inputs whose moments are taken together: time grows with the third power.
  private static let inputLimit = 2304

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

  /// Twice the inputs, so that their moments are told apart from chance.
  var wantedRows: Int { min(max(2 * taps * chunk, 1024), 4608) }
}
