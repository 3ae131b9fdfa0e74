import Checkpoints
import Tensors

extension ONNXModel {
  /// The floating-point type that most elements of the model's constants are stored in; float32 where there are none.
  /// Numbers of a model are rounded to half precision only where its weights are.
  var weightType: ElementType {
    // As Doubles, which no number of elements overflows.
    var counts: [ElementType: Double] = [:]
    func count(_ tensor: Tensor) { counts[tensor.elementType, default: 0] += Double(tensor.elementCount) }
    for (_, tensor) in initializers { count(tensor) }
    for node in nodes where node.operatorType == "Constant" {
      if case .tensor(let tensor)? = node.attributes["value"] { count(tensor) }
    }
    let types: [ElementType] = [.float32, .float64, .bfloat16, .float16]
    return types.max { counts[$0, default: 0] < counts[$1, default: 0] } ?? .float32
  }
}
