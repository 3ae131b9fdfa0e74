import Files
import Tensors

/// A tensor in a file of its own, as ONNX's test data has them: `input_0.pb` holds one TensorProto.
package enum ONNXTensorFile {
  /// The name that the tensor has in its file, which may be empty, and the tensor.
  ///
  /// - Throws: `CheckpointError` where the file cannot be read or holds no tensor.
  package static func read(path: String) throws(CheckpointError) -> (name: String, tensor: Tensor) {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    var reader = ONNXTensorReader(file)
    do { return try reader.tensor(in: 0..<file.byteCount) } catch { throw .content(path: path, format: .onnx, error) }
  }
}
