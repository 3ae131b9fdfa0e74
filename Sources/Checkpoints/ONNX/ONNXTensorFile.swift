import Files
import Tensors

/// Reads files that contain a single TensorProto, such as `input_0.pb` in ONNX's test data.
package enum ONNXTensorFile {
  /// The tensor as a view of the file, and its name in the file, which may be empty.
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it contains no
  ///   tensor or is damaged.
  package static func read(path: String) throws(CheckpointError) -> (name: String, tensor: Tensor) {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    return try read(file)
  }

  /// As above, for a file that is mapped or in memory.
  ///
  /// - Throws: `CheckpointError.content` if it contains no tensor or is damaged.
  package static func read(_ file: MappedFile) throws(CheckpointError) -> (name: String, tensor: Tensor) {
    var reader = ONNXTensorReader(file)
    do { return try reader.tensor(in: 0..<file.byteCount) } catch {
      throw .content(path: file.path, format: .onnx, error)
    }
  }
}
