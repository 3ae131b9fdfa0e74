import Files
import Tensors

/// The named tensors of a checkpoint file, as views straight into the mapped file.
///
/// Nothing is copied when a checkpoint is read, except tensors that MindSpore split: tensors may be strided and unaligned, and
/// their bytes come off the disk when they are first touched. Names are the file's, with PyTorch's words for the parameters
/// of MindSpore's batch norms.
package struct Checkpoint: Sendable {
  package enum Format: String, Sendable, Hashable, CaseIterable {
    case pytorchLegacy = "pytorch-legacy"
    case pytorchZip = "pytorch-zip"
    case pytorchTar = "pytorch-tar"
    case mindspore
    case safetensors
    /// The index of a checkpoint that is split into several files.
    case sharded
    case onnx
  }

  /// Something found outside of the state dict, or in it without being a tensor.
  package struct Ignored: Sendable, Hashable {
    package let name: String
    /// A few words: what it is.
    package let reason: String
  }

  package let format: Format
  /// In the order of the file.
  package let tensors: NamedTensors
  package let ignored: [Ignored]
  /// Tensors that the file has and this reader cannot represent, and why.
  package let unreadable: [String: String]
  /// Classes and functions, such as "omegaconf.dictconfig.DictConfig", whose objects a pickle holds alongside the tensors.
  /// They were represented, and neither looked up nor run. At most 20.
  package let foreignObjects: [String]
  /// The names of a classifier's classes in its order, where a training script saved them in a PyTorch file; empty where it
  /// did not, and never checked against the classifier.
  package let classNames: [String]
  /// Texts that the format has room for: safetensors' `__metadata__`. Empty for PyTorch files.
  package let metadata: [String: String]
  /// The network, where the format describes one: ONNX. The tensors are its initialisers.
  package let network: ONNXModel?
  /// The file, and those it keeps tensors in: ONNX's external data, the shards of an index.
  private let files: [MappedFile]

  package let path: String
  /// All files that tensors are views of, that at `path` first.
  package var paths: [String] { files.map(\.path) }
  /// The size of the file, together with that of its external data.
  package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// The tensor of that name.
  package subscript(name: String) -> Tensor? { tensors[name] }

  /// The SHA-256 of the file, computed at each call (about a second for every GB or two) without keeping the file in
  /// memory. With external data or shards: of the file's bytes followed by those of its data files, in the order in which it
  /// first names them.
  package func sha256() -> SHA256.Digest {
    var hash = SHA256()
    for file in files { file.forEachChunk(in: 0..<file.byteCount) { hash.update($0) } }
    return hash.finalize()
  }

  /// Gives back the memory of all bytes that were read. They stay valid.
  package func releasePages() { for file in files { file.releasePages(0..<file.byteCount) } }

  /// Reads the checkpoint at `path`, whichever of the formats it has; the contents decide, not the name. Where a pickle holds
  /// several dictionaries of tensors, it takes the one whose name training scripts use; `CheckpointOutline` lets choose.
  ///
  /// PyTorch's pickles are represented and never executed. Every size, offset and stride is checked against the file, and
  /// memory stays within a small multiple of the file's size whatever it says.
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

/// What a format's reader makes of a file.
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

/// Tensors in the order of their file, found by name. Names are unique.
package struct NamedTensors: Sendable, RandomAccessCollection {
  package typealias Element = (name: String, tensor: Tensor)

  private var elements: [Element] = []
  private var positions: [String: Int] = [:]

  package init() {}

  /// `nil` where a name is there twice.
  package init?(_ elements: some Sequence<Element>) {
    for (name, tensor) in elements {
      guard append(tensor, named: name) else { return nil }
    }
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { elements.count }
  package subscript(position: Int) -> Element { elements[position] }
  package subscript(name: String) -> Tensor? { positions[name].map { elements[$0].tensor } }
  package var names: [String] { elements.map(\.name) }

  /// Adds a tensor at the end. Returns `false`, and adds nothing, if the name is taken.
  package mutating func append(_ tensor: Tensor, named name: String) -> Bool {
    guard positions[name] == nil else { return false }
    positions[name] = elements.count
    elements.append((name, tensor))
    return true
  }
}
