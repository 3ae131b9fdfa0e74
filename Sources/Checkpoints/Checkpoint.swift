import Files
import Tensors

/// The named tensors of a checkpoint file, as views straight into the mapped file.
///
/// Nothing is copied when a checkpoint is read, except tensors that MindSpore split. Tensors may therefore be strided
/// and unaligned, and their bytes are read from the disk when they are first touched. Names are those of the file,
/// except that the parameters of MindSpore's batch norms get PyTorch's names.
package struct Checkpoint: Sendable {
  /// The format of a checkpoint. The raw value is the name that `quern inspect --json` reports.
  package enum Format: String, Sendable, Hashable, CaseIterable {
    /// PyTorch's format before 1.6: a stream of pickles and bytes.
    case pytorchLegacy = "pytorch-legacy"
    /// PyTorch's format since 1.6: a zip file.
    case pytorchZip = "pytorch-zip"
    /// PyTorch's format before 0.1.10: a tar file.
    case pytorchTar = "pytorch-tar"
    case mindspore
    case safetensors
    /// The index of a checkpoint that is split into several files.
    case sharded
    case onnx
  }

  /// An entry of the file that lies outside of the state dict, or lies in it and is not a tensor.
  package struct Ignored: Sendable, Hashable {
    /// The entry's name in the file.
    package let name: String
    /// A short description of the entry, such as "optimiser state".
    package let reason: String
  }

  /// The format of the file.
  package let format: Format
  /// The named tensors, in the order of the file.
  package let tensors: NamedTensors
  /// Everything else that the file contains.
  package let ignored: [Ignored]
  /// The tensors that this reader cannot represent, by name, each with the reason.
  package let unreadable: [String: String]
  /// Classes and functions, such as "omegaconf.dictconfig.DictConfig", whose objects a pickle contains alongside the
  /// tensors. They were represented, and neither looked up nor run. At most 20.
  package let foreignObjects: [String]
  /// The names of a classifier's classes in its order, if a training script saved them in a PyTorch file, or else
  /// empty. They were not compared with the classifier.
  package let classNames: [String]
  /// The `__metadata__` of a safetensors file; empty for other formats.
  package let metadata: [String: String]
  /// The network, if the format describes one, as ONNX does. The tensors are its initialisers.
  package let network: ONNXModel?
  /// The file, and those that contain its tensors: ONNX's external data, or the shards of an index.
  private let files: [MappedFile]

  /// The path of the file that was read.
  package let path: String
  /// The paths of all files that tensors are views of, starting with `path`.
  package var paths: [String] { files.map(\.path) }
  /// The size of the file in bytes, including its external data or shards.
  package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// The tensor with this name, or `nil` if there is none.
  package subscript(name: String) -> Tensor? { tensors[name] }

  /// The SHA-256 of the file, for which it is read (about a second for every GB or two) without keeping it in memory.
  /// If there is external data or there are shards, it is the hash of the file's bytes followed by those of its data
  /// files, in the order in which the file first names them. Take it before the tensors are used
  /// (`MappedFile.sha256(of:)`).
  package func sha256() -> SHA256.Digest { MappedFile.sha256(of: files) }

  /// Gives the memory of all bytes that were read back to the system. They stay valid.
  package func releasePages() { for file in files { file.releasePages(0..<file.byteCount) } }

  /// Reads the checkpoint at `path`. The contents decide which format it has, not the name. If a pickle contains
  /// several dictionaries of tensors, this reads the one under a key that training scripts use; with
  /// `CheckpointOutline`, the caller can choose.
  ///
  /// PyTorch's pickles are represented and never executed. Every size, offset and stride is checked against the file,
  /// and memory stays within a small multiple of the file's size, whatever the file claims.
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it is not a
  ///   checkpoint, is damaged, contains no named tensors or a tensor that cannot be represented, or contains several
  ///   dictionaries of tensors without a usual key.
  package static func read(path: String) throws(CheckpointError) -> Checkpoint {
    try CheckpointOutline.open(path: path).defaultCheckpoint()
  }

  init(format: Format, _ contents: CheckpointContents, files: [MappedFile], path: String) {
    self.format = format
    tensors = contents.tensors
    ignored = contents.ignored
    unreadable = contents.unreadable
    foreignObjects = contents.foreignObjects
    classNames = contents.classNames
    metadata = contents.metadata
    network = contents.network
    self.files = files
    self.path = path
  }
}

extension Checkpoint.Format: CustomStringConvertible {
  package var description: String {
    switch self {
    case .pytorchLegacy: "PyTorch (legacy stream)"
    case .pytorchZip: "PyTorch (zip)"
    case .pytorchTar: "PyTorch (tar)"
    case .mindspore: "MindSpore"
    case .safetensors: "safetensors"
    case .sharded: "sharded checkpoint"
    case .onnx: "ONNX"
    }
  }
}

/// The result of a format's reader.
struct CheckpointContents {
  var tensors: NamedTensors
  var ignored: [Checkpoint.Ignored] = []
  var unreadable: [String: String] = [:]
  var foreignObjects: [String] = []
  var classNames: [String] = []
  var metadata: [String: String] = [:]
  var network: ONNXModel?
  var dataFiles: [MappedFile] = []
}

/// Tensors with unique names, in the order of their file.
package struct NamedTensors: Sendable, RandomAccessCollection {
  /// A tensor and its name.
  package typealias Element = (name: String, tensor: Tensor)

  private var elements: [Element] = []
  private var positions: [String: Int] = [:]

  /// No tensors.
  package init() {}

  /// Tensors in the given order. `nil` if a name appears twice.
  package init?(_ elements: some Sequence<Element>) {
    for (name, tensor) in elements {
      guard append(tensor, named: name) else { return nil }
    }
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { elements.count }
  package subscript(position: Int) -> Element { elements[position] }
  /// The tensor with exactly this name, or `nil` if there is none.
  package subscript(name: String) -> Tensor? { positions[exactly: name].map { elements[$0].tensor } }
  /// The names, in the order of the tensors.
  package var names: [String] { elements.map(\.name) }

  /// Adds a tensor at the end. Returns `false`, and adds nothing, if the name is taken, be it in another Unicode normal
  /// form.
  package mutating func append(_ tensor: Tensor, named name: String) -> Bool {
    guard positions[name] == nil else { return false }
    positions[name] = elements.count
    elements.append((name, tensor))
    return true
  }
}
