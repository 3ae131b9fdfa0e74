import Graphs
import Tensors

/// A weight that is NaN or infinite.
package struct NonFiniteConstant: Sendable, Hashable {
  /// The name of the node that reads it.
  package let node: String
  /// The name of the constant in that node, such as "weight" or "bias".
  package let role: String
  /// The index of the element, in the row-major order in which the node reads the tensor.
  package let index: Int
}

extension Graph {
  /// The first NaN or infinite element of a constant, in order of execution; `nil` if all are finite. Reads every
  /// element that a node reads once, and releases the pages of mapped files. Tensors that no node reads are not
  /// checked.
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
