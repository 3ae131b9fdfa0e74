import Files
import Tensors

/// The names of a checkpoint's tensors, which are not read yet. A file may contain several networks, and the caller,
/// which knows the architectures, chooses the tensors to read.
package struct CheckpointOutline {
  /// A dictionary of tensors.
  package struct Group: Sendable, Hashable {
    /// The keys that lead to the dictionary from the top of the file, such as ["state_dict"]; empty at the top.
    package let path: [String]
    /// The names of its tensors, in the order of the file.
    package let names: [String]

    /// A dictionary at `path` with tensors of the given names.
    package init(path: [String], names: [String]) {
      self.path = path
      self.names = names
    }
  }

  /// The path of the file.
  package let path: String
  /// The format of the file.
  package let format: Checkpoint.Format
  /// The dictionaries of tensors: at least one, except in an ONNX model, which has none.
  package let groups: [Group]
  /// The network, if the format describes one, as ONNX does.
  package var network: ONNXModel? {
    if case .read(let contents) = source { contents.network } else { nil }
  }

  private enum Source {
    case read(CheckpointContents)
    case pickled(PickledState)
  }

  private let source: Source
  private let file: MappedFile

  /// Opens the checkpoint at `path`. The contents decide which format it has, not the name.
  ///
  /// PyTorch's pickles are represented and never executed.
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it is not a
  ///   checkpoint, is damaged, or contains no named tensors.
  package static func open(path: String) throws(CheckpointError) -> CheckpointOutline {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    return try open(file)
  }

  /// Opens a checkpoint whose bytes are mapped or in memory. The contents decide which format it has, not the name.
  ///
  /// - Throws: `CheckpointError.content` if the file is not a checkpoint, is damaged, or contains no named tensors.
  package static func open(_ file: MappedFile) throws(CheckpointError) -> CheckpointOutline {
    let path = file.path
    let format: Checkpoint.Format
    do { format = try FileSignature.format(of: file) } catch { throw .content(path: path, format: nil, error) }
    do {
      try ShardIndex.refuseShard(path)
      let outline = CheckpointOutline(path: path, format: format, source: try source(of: file, format), file: file)
      try outline.checkNames()
      return outline
    } catch { throw .content(path: path, format: format, error) }
  }

  private init(path: String, format: Checkpoint.Format, source: Source, file: MappedFile) {
    self.path = path
    self.format = format
    self.source = source
    self.file = file
    groups =
      switch source {
      case .read(let contents): contents.network == nil ? [Group(path: [], names: contents.tensors.names)] : []
      case .pickled(let state): state.groups.map { Group(path: $0.path, names: $0.entries.map(\.name)) }
      }
  }

  /// Refuses names of modules and tensors that differ in the Unicode normal form alone, which networks are found by.
  private func checkNames() throws(FormatError) {
    let names = groups.flatMap { $0.path + $0.names }
    guard names.contains(where: { !$0.isASCII }) else { return }
    // By bytes: a combining mark after a dot makes one character with it.
    let parts = names.flatMap { $0.utf8.split(separator: UInt8(ascii: ".")).map { String(Substring($0)) } }
    if let name = NameForms.lookalike(in: parts) { throw .unreadableTensor(name: name, reason: NameForms.reason) }
  }

  private static func source(of file: MappedFile, _ format: Checkpoint.Format) throws(FormatError) -> Source {
    switch format {
    case .pytorchLegacy: .pickled(try LegacyStream.read(file))
    case .pytorchZip: .pickled(try PyTorchArchive.read(file))
    case .pytorchTar: .pickled(try PyTorchTar.read(file))
    case .mindspore: .read(try MindSporeReader.read(file))
    case .safetensors: .read(try SafetensorsReader.read(file))
    case .sharded: .read(try ShardIndex.read(file))
    case .onnx: .read(try ONNXReader.read(file))
    }
  }

  /// Reads the tensors of some groups. Their names consist of the keys that lead to them from `base`.
  ///
  /// - Parameters:
  ///   - chosen: positions in `groups`.
  ///   - base: keys that the paths of all these groups start with.
  /// - Throws: `CheckpointError.content` if the file is damaged, or if two tensors would have the same name.
  package func checkpoint(of chosen: [Int], below base: [String] = []) throws(CheckpointError) -> Checkpoint {
    do throws(FormatError) {
      switch source {
      case .read(let contents): return checkpoint(contents)
      case .pickled(var state): return checkpoint(try state.contents(of: chosen, below: base))
      }
    } catch { throw .content(path: path, format: format, error) }
  }

  /// The tensors to read if the caller does not know the architecture.
  ///
  /// - Throws: `CheckpointError.content` if the file is damaged, contains a tensor that cannot be represented, or
  ///   contains several dictionaries of tensors, none of them under a usual key.
  package func defaultCheckpoint() throws(CheckpointError) -> Checkpoint {
    do throws(FormatError) {
      switch source {
      case .read(let contents): return checkpoint(contents)
      case .pickled(var state):
        let group = try state.defaultGroup()
        let contents = try state.contents(of: [group], below: state.groups[group].path)
        let ignored = Set(contents.ignored.map(\.name))
        if let (name, reason) = contents.unreadable.sorted(by: { $0.key < $1.key }).first(where: {
          !ignored.contains($0.key)
        }) {
          throw FormatError.unreadableTensor(name: name, reason: reason)
        }
        return checkpoint(contents)
      }
    } catch { throw .content(path: path, format: format, error) }
  }

  private func checkpoint(_ contents: CheckpointContents) -> Checkpoint {
    Checkpoint(format: format, contents, files: [file] + contents.dataFiles, path: path)
  }
}
