import Fidelity
import Graphs
import Quantization

/// A layer that is kept in float inside a quantised network.
package struct KeptFloat: Hashable, Sendable {
  /// The name of the layer's node.
  package let name: String
  /// How many bytes its weights take in addition to those of int8 weights, before compression.
  package let extraBytes: Int
  /// Why the layer is kept in float, as a phrase.
  package let reason: String

  /// The key of the list of layers in the settings of reports.
  static let setting = "kept_float"
  /// The reason of layers that the user names.
  static let requestedReason = "requested by --keep-float"

  /// The number of bits of a weight, 16 or 32.
  package let bits: Int

  init(_ node: Node, bits: Int = 32, reason: String) {
    name = node.name
    self.bits = bits
    extraBytes = (bits / 8 - 1) * (node.constants["weight"]?.elementCount ?? 0)
    self.reason = reason
  }

  /// The layers that a plan keeps in float, in order of execution.
  static func layers(of plan: QuantizationPlan, in graph: Graph) -> [KeptFloat] {
    plan.layersKeptFloat(in: graph).map { node in
      let layer = plan.layers[node.name]
      return KeptFloat(node, bits: layer?.arithmetic == .int16Weights ? 16 : 32, reason: layer?.reason ?? "")
    }
  }

  /// The layer as an entry of a plan.
  var layer: QuantizationPlan.Layer { .init(bits == 16 ? .int16Weights : .float, reason: reason) }

  /// The layer as an entry of the list in reports.
  var json: JSONValue {
    .object(["name": .string(name), "bits": .int(bits), "extra_bytes": .int(extraBytes), "reason": .string(reason)])
  }

  /// The layers that match patterns, each once, in order of execution.
  ///
  /// - Throws: `ConversionError.option` for a pattern that matches no layer.
  static func layers(matching patterns: [String], in graph: Graph) throws(ConversionError) -> [KeptFloat] {
    var names: Set<String> = []
    for pattern in patterns {
      let found = FloatLayers.names(matching: pattern, in: graph)
      guard !found.isEmpty else {
        let near = FloatLayers.names(near: pattern, in: graph).joined(separator: ", ")
        throw .option("--keep-float \(pattern): no layer with weights has this name; the nearest are \(near)")
      }
      names.formUnion(found)
    }
    return graph.nodes.filter { names.contains($0.name) }.map { KeptFloat($0, reason: requestedReason) }
  }
}
