import Graphs

/// All operators by wire name. Adding an operator takes a file and a line here; tests walk this list.
package enum OperatorCatalogue {
  /// The types of all operators.
  package static let all: [any RunnableOperator.Type] = [
    Addition.self,
    AveragePooling.self,
    BatchNormalization.self,
    Centering.self,
    ChannelConvolution.self,
    ChannelResponse.self,
    ChannelScaling.self,
    ChannelSelection.self,
    Clip.self,
    Concatenation.self,
    Convolution.self,
    Cropping.self,
    ChannelwiseMeanPooling.self,
    EdgePadding.self,
    FakeQuantization.self,
    GeneralizedMeanPooling.self,
    L2Normalization.self,
    LayerNormalization.self,
    Linear.self,
    MaxPooling.self,
    Multiplication.self,
    Nonlinearity.self,
    PReLU.self,
    ReLU.self,
    Requantize.self,
    Resizing.self,
    Sigmoid.self,
    SinglePixelMap.self,
    Softmax.self,
    ZeroPadding.self,
  ]

  private static let byWireName: [String: any RunnableOperator.Type] =
    Dictionary(uniqueKeysWithValues: all.map { ($0.wireName, $0) })

  /// The operator with a wire name and attributes, as packages store them.
  ///
  /// - Throws: `GraphError.unknownOperator`, or `.attribute` where one is missing, of another type, out of range, or
  ///   unknown to the operator.
  package static func decode(_ wireName: String, _ attributes: Attributes) throws(GraphError) -> any Operator {
    guard let type = byWireName[wireName] else { throw .unknownOperator(wireName) }
    let op = try type.init(attributes: attributes)
    let decoded = op.attributes
    if let unknown = attributes.sorted.first(where: { decoded[$0.name] == nil }) {
      throw .attribute(name: unknown.name, expected: "absent: '\(wireName)' has no such attribute")
    }
    return op
  }
}
