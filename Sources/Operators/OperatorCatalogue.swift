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
    let known = (type as? any AttributeNaming.Type)?.attributeNames ?? Set(op.attributes.values.keys)
    if let unknown = attributes.sorted.first(where: { !known.contains($0.name) }) {
      throw .attribute(name: unknown.name, expected: "absent: '\(wireName)' has no such attribute")
    }
    return op
  }

  /// Checks the bounds of an operator's attributes, as for a package.
  ///
  /// - Throws: `GraphError.attribute` where one is out of range.
  package static func checkAttributes(of op: some Operator) throws(GraphError) {
    _ = try type(of: op).init(attributes: op.attributes)
  }
}

/// An operator whose attributes take long to make, so that their names are listed besides.
protocol AttributeNaming: Operator {
  /// The names of all attributes that the operator can have.
  static var attributeNames: Set<String> { get }
}
