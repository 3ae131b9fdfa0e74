import Graphs
import Tensors

/// A family of trunks that is recognised by its key names. One file each under `Architectures/`.
protocol Architecture: Sendable {
  /// For messages: "ResNet".
  static var family: String { get }

  /// Names of tensors of which every member has one: where a key ends with one of them, a trunk may start before it.
  static var landmarks: [String] { get }

  /// Whether a trunk of this family has tensors of these names.
  ///
  /// - Parameter has: tells whether there is a tensor of a name, without what stands before the trunk's keys.
  static func recognizes(_ has: (String) -> Bool) -> Bool

  /// The names of modules that a file has in place of the family's, for trunks that were taken apart and put into a sequence:
  /// ["0": "conv1"]. Empty where the names are the family's own.
  static func aliases(_ has: (String) -> Bool) -> [String: String]

  /// The name of this member: "resnet50", from the depths found.
  static func name(of state: StateDictionary, prefix: String) -> String

  static var preprocessing: Preprocessing { get }

  /// What batch norms add to the variance.
  static var batchNormEpsilon: Double { get }

  /// Builds the trunk up to its last map, after a ReLU.
  ///
  /// - Throws: `ImportError.variant` for a member that is recognised and not supported; `.option` for an option of a value
  ///   that does not fit.
  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer
}

extension Architecture {
  static var batchNormEpsilon: Double { 1e-5 }
  static func aliases(_ has: (String) -> Bool) -> [String: String] { [:] }
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
