import Graphs
import Operators
import Tensors
import Testing

/// Attributes of the operators that move channels and pixels which no converter writes.
@Suite struct HostileChannelTests {
  static let selections: [[String: AttributeValue]] = [
    [:], ["first": .ints([0])], ["first": .int(0), "counts": .ints([]), "steps": .ints([])],
    ["first": .ints([]), "counts": .ints([]), "steps": .ints([])],
    ["first": .ints([-1]), "counts": .ints([]), "steps": .ints([])],
    ["first": .ints([.max]), "counts": .ints([2]), "steps": .ints([1])],
    ["first": .ints([0]), "counts": .ints([2]), "steps": .ints([])],
    ["first": .ints([0]), "counts": .ints([1]), "steps": .ints([1])],
    ["first": .ints([0]), "counts": .ints([.min]), "steps": .ints([1])],
    ["first": .ints([0]), "counts": .ints([2]), "steps": .ints([-1])],
    ["first": .ints([0]), "counts": .ints([2]), "steps": .ints([.min])],
    ["first": .ints([0]), "counts": .ints([1 << 20, 1 << 20]), "steps": .ints([0, 0])],
    [
      "first": .ints([0]), "counts": .ints([Int](repeating: 2, count: 21)),
      "steps": .ints([Int](repeating: 0, count: 21)),
    ],
    ["first": .ints([0]), "counts": .ints([2]), "steps": .ints([1]), "more": .int(1)],
  ]

  @Test(arguments: selections.indices) func selectionsAreRefused(index: Int) {
    #expect(throws: GraphError.self) {
      try OperatorCatalogue.decode("channel_selection", Attributes(Self.selections[index]))
    }
  }

  @Test func selectionsOfMissingChannelsAreRefused() throws {
    let op = try ChannelSelection([0, 3])
    #expect(throws: GraphError.self) { try op.outputShape(inputs: [[1, 2, 2, 3]], constants: [:]) }
    #expect(throws: GraphError.self) { try op.outputShape(inputs: [[1, 2, 4]], constants: [:]) }
    #expect(try op.outputShape(inputs: [[1, 2, 2, 4]], constants: [:]) == [1, 2, 2, 2])
  }

  /// The compact form of a list says the same as the list.
  @Test(arguments: [
    [5], [0, 1, 2, 3], [4, 5, 6, 7], [0, 4, 1, 5, 2, 6, 3, 7], [7, 7, 7], [3, 1, 2], [9, 8, 7, 6],
    [0, 1, 2, 4, 5, 6, 9],
    [0, 2, 1, 3, 8, 10, 9, 11],
  ]) func compactFormsAreRead(channels: [Int]) throws {
    let op = try ChannelSelection(channels)
    #expect(try ChannelSelection(attributes: op.attributes).channels == channels)
  }

  @Test func shufflesAndSlicesAreShort() throws {
    let shuffle = try ChannelSelection((0..<48).map { $0 % 2 * 24 + $0 / 2 })
    #expect(shuffle.attributes == ["first": .ints([0]), "counts": .ints([24, 2]), "steps": .ints([1, 24])])
    let slice = try ChannelSelection(Array(24..<48))
    #expect(slice.attributes == ["first": .ints([24]), "counts": .ints([24]), "steps": .ints([1])])
  }

  static let others: [(String, [String: AttributeValue])] = [
    ("softmax", [:]), ("softmax", ["branches": .int(0), "stride": .int(1)]),
    ("softmax", ["branches": .int(1), "stride": .int(.max)]), ("channel_convolution", ["before": .int(-1)]),
    ("channel_convolution", ["before": .int(1024)]), ("channel_response", [:]),
    ("channel_response", ["epsilon": .float(0)]), ("channel_response", ["epsilon": .float(-1)]),
    ("channel_response", ["epsilon": .float(.nan)]), ("channel_response", ["epsilon": .float(.infinity)]),
    ("channel_response", ["epsilon": .float(1), "more": .int(1)]), ("resizing", [:]),
    ("resizing", ["interpolation": .string("cubic"), "alignment": .string("half_pixel"), "factors": .ints([2, 2])]),
    ("resizing", ["interpolation": .string("nearest"), "alignment": .string("none"), "factors": .ints([2, 2])]),
    ("resizing", ["interpolation": .string("nearest"), "alignment": .string("asymmetric"), "factors": .ints([0, 2])]),
    ("resizing", ["interpolation": .string("nearest"), "alignment": .string("asymmetric"), "size": .ints([8193, 2])]),
    (
      "resizing",
      [
        "interpolation": .string("nearest"), "alignment": .string("asymmetric"), "size": .ints([8, 2]),
        "factors": .ints([2, 2]),
      ]
    ),
  ]

  @Test(arguments: others.indices) func othersAreRefused(index: Int) {
    let (name, attributes) = Self.others[index]
    #expect(throws: GraphError.self) { try OperatorCatalogue.decode(name, Attributes(attributes)) }
  }

  @Test func responsesOfRowsAreRefused() throws {
    #expect(throws: GraphError.self) { try ChannelResponse(epsilon: 1).outputShape(inputs: [[1, 8]], constants: [:]) }
    #expect(throws: GraphError.self) {
      try ChannelResponse(epsilon: 1).outputShape(inputs: [[1, 0, 4, 8]], constants: [:])
    }
  }

  @Test func rowsThatDoNotFitAreRefused() throws {
    let softmax = try Softmax(branches: 2, stride: 3)
    #expect(throws: GraphError.self) { try softmax.outputShape(inputs: [[1, 8]], constants: [:]) }
    let op = try ChannelConvolution(before: 2)
    for weight in [nil, Tensor([1, 2] as [Float]), Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])] {
      let constants = weight.map { ["weight": $0] } ?? [:]
      #expect(throws: GraphError.self) { try op.outputShape(inputs: [[1, 8]], constants: constants) }
    }
  }
}
