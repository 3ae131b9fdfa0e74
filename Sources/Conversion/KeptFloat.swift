import Fidelity
import Graphs
import Quantization

/// A layer that computes in float inside a quantised network, and why.
package struct KeptFloat: Hashable, Sendable {
  package let name: String
  /// That its weights take more than int8 ones would, before compression.
  package let extraBytes: Int
  package let reason: String

  /// The name of the list in reports.
  static let setting = "kept_float"
  static let asked = "asked for by --keep-float"

  /// Of a weight: 32, or 16.
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

  /// For plans.
  var layer: QuantizationPlan.Layer { .init(bits == 16 ? .int16Weights : .float, reason: reason) }

  /// For reports.
  var json: JSONValue {
    .object(["name": .string(name), "bits": .int(bits), "extra_bytes": .int(extraBytes), "reason": .string(reason)])
  }

  /// The layers that patterns stand for, each once, in order of execution.
  ///
  /// - Throws: `ConversionError.option` where one stands for none.
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
    return graph.nodes.filter { names.contains($0.name) }.map { KeptFloat($0, reason: asked) }
  }
}
