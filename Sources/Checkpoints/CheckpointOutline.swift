import Files
import Tensors

/// A checkpoint whose tensors were found by name and not yet looked at: a file may hold several networks, and whoever
/// knows what a network looks like chooses.
package struct CheckpointOutline {
  /// A dictionary of tensors.
  package struct Group: Sendable, Hashable {
    /// The keys that lead to it from the top of the file, such as ["state_dict"]; empty at the top.
    package let path: [String]
    /// In the order of the file.
    package let names: [String]

    package init(path: [String], names: [String]) {
      self.path = path
      self.names = names
    }
  }

  package let path: String
  package let format: Checkpoint.Format
  /// At least one, except for an ONNX model, which has none.
  package let groups: [Group]
  /// The network, where the format describes one: ONNX.
  package var network: ONNXModel? {
    if case .read(let contents) = source { contents.network } else { nil }
  }

  private enum Source {
    case read(CheckpointContents)
    case pickled(PickledState)
  }

  private let source: Source
  private let file: MappedFile

  /// Opens the checkpoint at `path`, whichever of the formats it has; the contents decide, not the name.
  ///
  /// PyTorch's pickles are represented and never executed.
  ///
  /// - Throws: `CheckpointError` where the file cannot be read, is no checkpoint, or holds no named tensors.
  package static func open(path: String) throws(CheckpointError) -> CheckpointOutline {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    let format: Checkpoint.Format
    do { format = try FileSignature.format(of: file) } catch { throw .content(path: path, format: nil, error) }
    do {
      try ShardIndex.refuseShard(path)
      return CheckpointOutline(path: path, format: format, source: try source(of: file, format), file: file)
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

  /// The tensors of some groups, named by the keys that lead from `base` to them.
  ///
  /// - Parameters:
  ///   - chosen: positions in `groups`.
  ///   - base: leads to all of these groups.
  /// - Throws: `CheckpointError` where the file is damaged.
  package func checkpoint(of chosen: [Int], below base: [String] = []) throws(CheckpointError) -> Checkpoint {
    do throws(FormatError) {
      switch source {
      case .read(let contents): return checkpoint(contents)
      case .pickled(var state): return checkpoint(try state.contents(of: chosen, below: base))
      }
    } catch { throw .content(path: path, format: format, error) }
  }

  /// The tensors that a reader takes who does not know what they are for.
  ///
  /// - Throws: `CheckpointError` where the file is damaged, holds a tensor that cannot be read, or several dictionaries of
  ///   tensors of which none has a usual name.
  func defaultCheckpoint() throws(CheckpointError) -> Checkpoint {
    do throws(FormatError) {
      switch source {
      case .read(let contents): return checkpoint(contents)
      case .pickled(var state):
        let group = try state.defaultGroup()
        let contents = try state.contents(of: [group], below: state.groups[group].path)
        let tensors = Set(contents.ignored.map(\.name))
        if let (name, reason) = contents.unreadable.sorted(by: { $0.key < $1.key }).first(where: {
          !tensors.contains($0.key)
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
