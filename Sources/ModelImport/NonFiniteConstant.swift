import Graphs
import Tensors

/// A weight that is not a number.
package struct NonFiniteConstant: Sendable, Hashable {
  /// The node that reads it, and what it reads it as: "weight", "bias".
  package let node: String
  package let role: String
  /// In the row-major order in which the node reads the tensor.
  package let index: Int
}

extension Graph {
  /// The first constant with a value that is NaN or infinite, in order of execution. Reads every element that a node reads
  /// once, and gives the memory of mapped files back; what no node reads may hold anything.
  package func firstNonFinite() -> NonFiniteConstant? {
    for node in nodes {
      for (role, tensor) in node.constants.sorted(by: { $0.key < $1.key }) where tensor.elementType.isFloatingPoint {
        let values = tensor.asFloat32()
        let index = values?.withElements(as: Float.self) { elements in elements.firstIndex { !$0.isFinite } }
        tensor.releasePages()
        if let index { return NonFiniteConstant(node: node.name, role: role, index: index) }
      }
    }
    return nil
  }
}
