import Graphs
import Operators
import Tensors

/// MnasNet-B1 (Tan et al., arXiv 1807.11626) with torchvision's key names, of any width.
enum MnasNet: Architecture {
  static let family = "MnasNet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["layers.8.0.layers.0.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool { has("layers.0.weight") && landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String { "mnasnet" }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let activation = builder.chooseActivation(.relu)
    builder.choosePadding(.symmetric)
    let style = MobileStyle(excitationActivation: .relu, gate: .sigmoid)
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(LayerPair("layers.0", "layers.1"), image, stride: 2, activation: activation)
    let first = MobileBlock(
      name: "layers.3", layers: [LayerPair("layers.3", "layers.4"), LayerPair("layers.6", "layers.7")],
      activation: activation, hasShortcut: false)
    layer = builder.append(first, layer, style)
    var depths: [Int] = []
    for (stage, stride) in MobileStyle.usualStrides.dropFirst().enumerated() {
      let name = { (index: Int) in "layers.\(8 + stage).\(index)" }
      depths.append(builder.countModules(name, with: ["layers.0.weight", "layers.3.weight"]))
      for index in 0..<depths[stage] {
        let module = "\(name(index)).layers"
        let block = MobileBlock(
          name: name(index), layers: [0, 3, 6].map { LayerPair("\(module).\($0)", "\(module).\($0 + 1)") },
          stride: index == 0 ? stride : 1, activation: activation)
        layer = builder.append(block, layer, style)
      }
    }
    if depths != [3, 3, 3, 2, 4, 1] { builder.assumeUsualStages(depths) }
    return builder.convNorm(LayerPair("layers.14", "layers.15"), layer, activation: activation)
  }
}
