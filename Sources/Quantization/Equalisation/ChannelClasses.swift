import Graphs
import Tensors

/// Classes of channels that must share one scale so that the scaled graph computes the same, and channels whose scale
/// must be 1. It combines the `ChannelRule` of every operator over the graph.
struct ChannelClasses {
  /// For each value, the number of its channel 0 among all channels of the graph, and how many channels it has.
  private let ranges: [(first: Int, count: Int)]
  /// A disjoint-set forest over all channels.
  private var parents: [Int]
  /// Whether the class of a root has the scale 1.
  private var isFixed: [Bool]

  /// - Parameter shapes: the shapes of the graph's values.
  init(_ graph: Graph, shapes: [Shape?]) {
    var total = 0
    ranges = shapes.map { shape in
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

  /// Upper bound of class numbers.
  var limit: Int { parents.count }

  /// The class of each channel of a value; `nil` where the scale must be 1.
  mutating func classes(of value: ValueID) -> [Int?] {
    let range = ranges[value.index]
    return (range.first..<range.first + range.count).map { channel in
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
        offset += ranges[value.index].count
        isCarried = true
      case .selected(let channels):
        let (from, to) = (ranges[value.index], ranges[node.output.index])
        for (channel, source) in channels.enumerated() where channel < to.count && source < from.count {
          join(channel: from.first + source, to.first + channel)
        }
        isCarried = true
      }
    }
    if !isCarried && !node.op.hasOutputChannelWeights { fix(node.output) }
  }

  private mutating func fix(_ value: ValueID) {
    let range = ranges[value.index]
    for channel in range.first..<range.first + range.count { isFixed[root(of: channel)] = true }
  }

  private mutating func join(_ input: ValueID, _ output: ValueID, offset: Int) {
    let (from, to) = (ranges[input.index], ranges[output.index])
    for channel in 0..<min(from.count, to.count - offset) {
      join(channel: from.first + channel, to.first + offset + channel)
    }
  }

  private mutating func join(channel first: Int, _ second: Int) {
    let (a, b) = (root(of: first), root(of: second))
    isFixed[a] = isFixed[a] || isFixed[b]
    parents[b] = a
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
