import Graphs
import Tensors

/// Which channels of which values must have the same scale for a graph to compute what it did, and which can have none but
/// 1: what `ChannelRule` says of each operator, put together over the graph.
struct ChannelClasses {
  /// Channel 0 of each value among all channels of the graph, and the value's channels.
  private let places: [(first: Int, count: Int)]
  /// A disjoint-set forest over all channels.
  private var parents: [Int]
  private var isFixed: [Bool]

  /// - Parameter shapes: of the graph's values.
  init(_ graph: Graph, shapes: [Shape?]) {
    var total = 0
    places = shapes.map { shape in
      let count = Self.channelCount(shape)
      defer { total += count }
      return (total, count)
    }
    parents = Array(0..<total)
    isFixed = [Bool](repeating: false, count: total)
    fix(graph.input)
    for output in graph.outputs { fix(output.value) }
    for node in graph.nodes { join(node) }
  }

  /// The channels of a value; 0 for one that the graph does not use.
  static func channelCount(_ shape: Shape?) -> Int { shape.map { $0.rank > 0 ? $0.channels : 0 } ?? 0 }

  /// Classes are numbered below this.
  var limit: Int { parents.count }

  /// The class of each channel of a value; `nil` where its scale can only be 1.
  mutating func classes(of value: ValueID) -> [Int?] {
    let place = places[value.index]
    return (place.first..<place.first + place.count).map { channel in
      let root = root(of: channel)
      return isFixed[root] ? nil : root
    }
  }

  private mutating func join(_ node: Node) {
    var isCarried = false
    var offset = 0
    for (slot, value) in node.inputs.enumerated() {
      switch node.op.channelRule(ofInput: slot) {
      case .fixed: fix(value)
      case .weighted: break
      case .carried:
        join(value, node.output, offset: 0)
        isCarried = true
      case .carriedSideBySide:
        join(value, node.output, offset: offset)
        offset += places[value.index].count
        isCarried = true
      }
    }
    if !isCarried && !type(of: node.op).weighsOutputChannels { fix(node.output) }
  }

  private mutating func fix(_ value: ValueID) {
    let place = places[value.index]
    for channel in place.first..<place.first + place.count { isFixed[root(of: channel)] = true }
  }

  private mutating func join(_ input: ValueID, _ output: ValueID, offset: Int) {
    let (from, to) = (places[input.index], places[output.index])
    for channel in 0..<min(from.count, to.count - offset) {
      let (a, b) = (root(of: from.first + channel), root(of: to.first + offset + channel))
      isFixed[a] = isFixed[a] || isFixed[b]
      parents[b] = a
    }
  }

  private mutating func root(of channel: Int) -> Int {
    var channel = channel
    while parents[channel] != channel {
      parents[channel] = parents[parents[channel]]
      channel = parents[channel]
    }
    return channel
  }
}
