import Checkpoints
import Files
import Foundation
import Images

/// The files that a command writes, held against those that it reads before anything is read or written.
struct OutputFiles {
  private struct Output {
    let option: String
    let path: String
    /// `nil` for reports, whose formats are chosen by their names.
    let kind: OutputKind?
  }

  private var outputs: [Output] = []

  mutating func add(_ option: String, _ path: String, _ kind: OutputKind) {
    outputs.append(Output(option: option, path: path, kind: kind))
  }

  mutating func add(_ option: String, reports paths: [String]) {
    outputs += paths.map { Output(option: option, path: $0, kind: nil) }
  }

  /// What cannot be read is passed over here: whoever reads it says what is wrong.
  ///
  /// - Parameters:
  ///   - models: checkpoints and packages, with their shards, the indices of these, and external data.
  ///   - images: files, and folders with all images that they hold.
  ///   - others: files of other kinds.
  /// - Throws: `OutputError` where an output is an input, two outputs are one file, or the name of an output, or of the file
  ///   that it leads to, says another format.
  func check(models: [String] = [], images: [String] = [], others: [String?] = []) throws(OutputError) {
    try checkDistinct()
    try check(inputs: others.compactMap(\.self)) { [$0] }
    try check(inputs: models, files: Self.modelFiles)
    try check(inputs: images, files: Self.imageFiles)
    for output in outputs {
      if let kind = output.kind {
        try kind.check(output.path, option: output.option)
      } else {
        try checkLink(output)
      }
    }
  }

  /// A report may not replace a file of another format that its name leads to.
  private func checkLink(_ report: Output) throws(OutputError) {
    guard case .existing? = OutputTarget(path: report.path), let target = OutputTarget.resolved(report.path),
      let ending = OutputKind.fileExtension(of: target),
      ending.lowercased() != OutputKind.fileExtension(of: report.path)?.lowercased()
    else { return }
    throw .linkToOtherFormat(option: report.option, path: report.path, target: target)
  }

  private func check(inputs: [String], files: (String) -> [String]) throws(OutputError) {
    var existing: [FileIdentity: Output] = [:]
    for output in outputs {
      if case .existing(let identity)? = OutputTarget(path: output.path) { existing[identity] = output }
    }
    // A file that is not there yet is none of those that are read.
    guard !existing.isEmpty else { return }
    for input in inputs {
      for path in files(input) {
        guard let (identity, _) = FileIdentity.of(path), let output = existing[identity] else { continue }
        throw .isInput(option: output.option, path: output.path, input: path)
      }
    }
  }

  private func checkDistinct() throws(OutputError) {
    var first: [OutputTarget: Output] = [:]
    for output in outputs {
      guard let target = OutputTarget(path: output.path) else { continue }
      if let other = first[target] {
        throw .sameFile(options: [other.option, output.option], paths: [other.path, output.path])
      }
      first[target] = output
    }
  }

  private static func imageFiles(of path: String) -> [String] {
    guard FileIdentity.of(path)?.kind == .folder else { return [path] }
    return (try? ImageFolder(path: path))?.files.map(\.path) ?? []
  }

  private static func modelFiles(of path: String) -> [String] {
    let isFolder = FileIdentity.of(path)?.kind == .folder
    let folder = isFolder ? path : (path as NSString).deletingLastPathComponent
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? []
    let companions = names.filter { isFolder || $0.hasSuffix(".index.json") }
    // Reading a checkpoint maps its files, those with shards and external data among them, and touches hardly any bytes.
    let mapped = (try? Checkpoint.read(path: path))?.paths ?? []
    return [path] + companions.map { (folder as NSString).appendingPathComponent($0) } + mapped
  }
}
