import Graphs

/// Every operator there is. A new one adds its file and its line here; tests walk this list.
package enum OperatorCatalogue {
  package static let all: [any RunnableOperator.Type] = [
    Addition.self,
    AveragePooling.self,
    BatchNormalization.self,
    Centering.self,
    ChannelScaling.self,
    Clip.self,
    Concatenation.self,
    Convolution.self,
    Cropping.self,
    GeneralizedMeanPooling.self,
    L2Normalization.self,
    Linear.self,
    MaxPooling.self,
    Nonlinearity.self,
    ReLU.self,
    Requantize.self,
    Sigmoid.self,
    SinglePixelMap.self,
    ZeroPadding.self,
  ]

  private static let byWireName: [String: any RunnableOperator.Type] =
    Dictionary(uniqueKeysWithValues: all.map { ($0.wireName, $0) })

  /// The operator of a wire name with its attributes.
  ///
  /// - Throws: `GraphError.unknownOperator`, or `.attribute` where one is missing, out of range or not known.
  package static func decode(_ wireName: String, _ attributes: Attributes) throws(GraphError) -> any Operator {
    guard let type = byWireName[wireName] else { throw .unknownOperator(wireName) }
    let op = try type.init(attributes: attributes)
    let known = op.attributes
    if let stranger = attributes.sorted.first(where: { known[$0.name] == nil }) {
      throw .attribute(name: stranger.name, expected: "absent: '\(wireName)' has no such attribute")
    }
    return op
  }
}
