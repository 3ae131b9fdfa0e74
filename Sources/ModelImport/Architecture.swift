import Graphs
import Tensors

/// A family of trunks that is recognised by its key names. One file each under `Architectures/`.
protocol Architecture: Sendable {
  /// For messages: "ResNet".
  static var family: String { get }

  /// What stands before the trunk's keys, or `nil` if the names are not this family's.
  static func prefix(in state: StateDictionary) -> String?

  /// The name of this member: "resnet50", from the depths found.
  static func name(of state: StateDictionary, prefix: String) -> String

  static var preprocessing: Preprocessing { get }

  /// Builds the trunk up to its last map, after a ReLU.
  static func buildTrunk(_ builder: inout GraphBuilder) -> Layer
}

/// The families there are; a new one adds its file and its line here.
enum Architectures {
  static let all: [any Architecture.Type] = [
    ResNet.self,
    SENet.self,
    NASNet.self,
    PNASNet.self,
  ]
}
