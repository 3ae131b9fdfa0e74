import Graphs
import Tensors

/// A family of trunks that is recognised by its key names. Each family has a file under `Architectures/`.
protocol Architecture: Sendable {
  /// The name in messages, such as "ResNet".
  static var family: String { get }

  /// Key suffixes to search for: every member has at least one of these tensors. Where a key ends with one of them, a
  /// trunk may have the part before it as its prefix.
  static var landmarks: [String] { get }

  /// Whether tensors of these names make a trunk of this family.
  ///
  /// - Parameter has: whether there is a tensor of a name, given without the trunk's prefix.
  static func recognizes(_ has: (String) -> Bool) -> Bool

  /// The family's names of modules by the file's, for trunks whose modules were put into an `nn.Sequential`:
  /// `["0": "conv1"]`. Empty where the file uses the family's names.
  static func aliases(_ has: (String) -> Bool) -> [String: String]

  /// The name of this member, such as "resnet50", derived from the number of blocks in each stage.
  static func name(of state: StateDictionary, prefix: String) -> String

  /// How the family's authors normalise pixels, unless the user or the checkpoint says otherwise.
  static var preprocessing: Preprocessing { get }

  /// The number that batch norms add to the variance.
  static var batchNormEpsilon: Double { get }

  /// What members of the family have in common, or this one has, that no tensor states. The default has
  /// `preprocessing` and `batchNormEpsilon`.
  static func conventions(
    of state: StateDictionary, prefix: String, options: StructureOptions
  ) -> TrunkConventions

  /// The layers between the pooled map and the embedding, for networks that have any before their classifier.
  ///
  /// - Parameter builder: that of the trunk, which shows the names and shapes of the tensors.
  static func neck(_ builder: GraphBuilder) -> [NeckLayer]

  /// Builds the trunk up to its last feature map, after a ReLU.
  ///
  /// - Throws: `ImportError.variant` for a member that is recognised but not supported; `.option` for an option whose
  ///   value does not fit, or that is needed and missing.
  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer
}

extension Architecture {
  static var batchNormEpsilon: Double { 1e-5 }
  static func aliases(_ has: (String) -> Bool) -> [String: String] { [:] }
  static func neck(_ builder: GraphBuilder) -> [NeckLayer] { [] }
  static func conventions(
    of state: StateDictionary, prefix: String, options: StructureOptions
  ) -> TrunkConventions {
    TrunkConventions(preprocessing: preprocessing, batchNormEpsilon: batchNormEpsilon)
  }
}

/// What a network's authors chose and no tensor states.
struct TrunkConventions {
  /// How pixels are normalised.
  var preprocessing: Preprocessing
  /// The number that batch norms add to the variance.
  var batchNormEpsilon: Double
}

/// A layer on rows between the pooled map and the embedding.
enum NeckLayer {
  /// A linear layer with this name in the checkpoint, without the trunk's prefix. Its weight may be stored as that of a
  /// 1x1 convolution.
  case linear(String)
  /// An activation function, and the node's name.
  case activation(StructureOptions.Activation, name: String)
  /// A layer norm with this name in the checkpoint, and the value added to the variance.
  case layerNorm(String, epsilon: Double)
}

/// The supported families. A new one adds its file, and its line here.
enum Architectures {
  static let all: [any Architecture.Type] = [
    ResNet.self,
    SENet.self,
    NASNet.self,
    PNASNet.self,
    MobileNetV2.self,
    MobileNetV3.self,
    MnasNet.self,
    EfficientNet.self,
    EfficientNetPyTorch.self,
    TimmMobileNet.self,
    RegNet.self,
    TimmRegNet.self,
    RepVGG.self,
    DenseNet.self,
    ConvNeXt.self,
    IResNet.self,
  ]
}
