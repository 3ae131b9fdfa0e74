import Checkpoints
import Conversion
import Files
import Images

/// The files that a command writes. They are compared with those that it reads before anything is read or written.
struct OutputFiles {
  private struct Output {
    let option: String
    let path: String
    let content: Content
    /// Whether the user gave the path, rather than another one that it follows from.
    var isNamed = true
  }

  private enum Content {
    case kind(OutputKind)
    /// The format follows from the name.
    case report
    /// `StageStore` tells its files from others.
    case stage
  }

  private var outputs: [Output] = []
  /// Folders that are created where they are missing.
  private var folders: [String] = []

  /// - Parameter isNamed: whether the user gave the path, rather than another one that it follows from.
  mutating func add(_ option: String, _ path: String, _ kind: OutputKind, isNamed: Bool = true) {
    outputs.append(Output(option: option, path: path, content: .kind(kind), isNamed: isNamed))
  }

  mutating func add(_ option: String, reports paths: [String]) {
    outputs += paths.map { Output(option: option, path: $0, content: .report) }
  }

  /// Adds the files that a conversion may write to a folder of stages.
  ///
  /// - Throws: `FileError.cannotOpen` where the system fails to say what is there.
  mutating func add(_ option: String, stages folder: String) throws {
    folders.append(folder)
    outputs += try StageStore.outputs(in: folder).map { Output(option: option, path: $0, content: .stage) }
  }

  /// Checks that every output may be written. Inputs that are missing or invalid are skipped here; they are reported
  /// when they are read. Failures of the system are errors: it would not be known which files the inputs are. The
  /// configuration file that the process read is an input of every command.
  ///
  /// - Parameters:
  ///   - models: checkpoints and packages. Their shards, the indices of these, external data, and ONNX test data count
  ///     as inputs, too.
  ///   - images: image files, and folders with all images in them.
  ///   - embeddings: files of embeddings, each with the file next to it that names its images.
  ///   - others: input files of other kinds.
  /// - Throws: `OutputError` if an output cannot be created, if one is an input, if two outputs are the same file, or
  ///   if an output is of another format by its name, by the name of the file that it leads to, or by the content of
  ///   the file that it would replace; the errors of files, folders and checkpoints where the system fails.
  func check(
    models: [String] = [], images: [String] = [], embeddings: [String] = [], others: [String?] = []
  ) throws {
    if let dash = outputs.first(where: { $0.path == "-" }) { throw OutputError.dash(option: dash.option) }
    try checkTargets()
    try checkDistinct()
    try check(inputs: (others + [ConfiguredCommandLine.pathRead]).compactMap(\.self)) { [$0] }
    try check(inputs: models, files: Self.modelFiles)
    try check(inputs: images, files: Self.imageFiles)
    try check(inputs: embeddings, files: Self.embeddingFiles)
    for output in outputs {
      switch output.content {
      case .kind(let kind): try kind.check(output.path, option: output.option, isNamed: output.isNamed)
      case .report:
        try checkLink(output)
        try checkReport(output)
      case .stage: try checkLink(output)
      }
    }
  }

  /// Checks that outputs can be created, or replaced.
  private func checkTargets() throws {
    let written = try outputs.filter { try !isRead($0) }
    do throws(FileError) {
      for folder in folders { try Folder.checkTarget(folder) }
      for output in written { try AtomicFile.checkTarget(output.path) }
    } catch {
      throw OutputError.cannotCreate(error)
    }
  }

  /// Whether an output is a stage that is there, which is finished in all likelihood, and then read.
  private func isRead(_ output: Output) throws(FileError) -> Bool {
    guard case .stage = output.content else { return false }
    return try FileIdentity.reachable(output.path) != nil
  }

  /// Checks that a report replaces only a report of the same format.
  private func checkReport(_ report: Output) throws {
    let ending = OutputKind.fileExtension(of: report.path)?.lowercased() ?? ""
    guard let file = try OutputKind.replaced(by: report.path, option: report.option),
      !WrittenReport.isOne(file, fileExtension: ending)
    else { return }
    throw OutputError.otherContents(
      option: report.option, path: report.path, expected: "a report of quern", isNamed: report.isNamed)
  }

  /// Checks that a report does not replace a file of another format that it is a link to.
  private func checkLink(_ report: Output) throws {
    guard case .existing? = try OutputTarget(path: report.path) else { return }
    let target = try OutputTarget.followed(report.path)
    guard let ending = OutputKind.fileExtension(of: target),
      ending.lowercased() != OutputKind.fileExtension(of: report.path)?.lowercased()
    else { return }
    throw OutputError.linkToOtherFormat(option: report.option, path: report.path, target: target)
  }

  private func check(inputs: [String], files: (String) throws -> [String]) throws {
    var existing: [FileIdentity: Output] = [:]
    for output in outputs {
      if case .existing(let identity)? = try target(of: output) { existing[identity] = output }
    }
    // An output that does not exist yet cannot be an input.
    guard !existing.isEmpty else { return }
    for input in inputs {
      for path in try files(input) {
        guard let (identity, _) = try FileIdentity.reachable(path), let output = existing[identity] else { continue }
        throw OutputError.isInput(option: output.option, path: output.path, input: path)
      }
    }
  }

  /// The file that an output replaces, creates or, where the shell has opened it, is written to.
  private func target(of output: Output) throws(FileError) -> OutputTarget? {
    guard let (identity, kind) = try FileIdentity.reachable(output.path), kind == .regular else {
      return try OutputTarget(path: output.path)
    }
    return .existing(identity)
  }

  private func checkDistinct() throws {
    var first: [OutputTarget: Output] = [:]
    for output in outputs {
      guard let target = try self.target(of: output) else { continue }
      if let other = first[target] {
        throw OutputError.sameFile(options: [other.option, output.option], paths: [other.path, output.path])
      }
      first[target] = output
    }
  }

  private static func imageFiles(of path: String) throws -> [String] {
    guard try FileIdentity.reachable(path)?.kind == .folder else { return [path] }
    return try valid { try ImageFolder(path: path).files.map(\.path) } ?? []
  }

  private static func modelFiles(of path: String) throws -> [String] {
    let isFolder = try FileIdentity.reachable(path)?.kind == .folder
    // With a slash at the end, or empty.
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = isFolder ? path + "/" : slash.map { String(Substring(path.utf8[...$0])) } ?? ""
    let names = try valid { try Folder.names(in: folder.isEmpty ? "." : folder) } ?? []
    let companions = names.filter { isFolder || $0.hasSuffix(".index.json") }
    var testData: [String] = []
    for name in names where name.hasPrefix("test_data_set_") {
      testData += (try valid { try Folder.names(in: folder + name) } ?? []).map { "\(folder)\(name)/\($0)" }
    }
    // Reading a checkpoint maps its files, including shards and external data, and touches hardly any bytes.
    let mapped = try valid { try Checkpoint.read(path: path).paths } ?? []
    return [path] + companions.map { folder + $0 } + testData + mapped
  }

  private static func embeddingFiles(of path: String) throws -> [String] {
    // The content counts before the name, as where embeddings are read.
    let isArray = try valid { NumpyArray.isOne(try MappedFile(path: path)) } ?? false
    let hasCompanion = isArray || EmbeddingFormat(path: path)?.needsCompanion == true
    return hasCompanion ? [path, EmbeddingFormat.companion(of: path)] : [path]
  }

  /// What `read` returns, or `nil` where the input is missing or invalid.
  private static func valid<Value>(_ read: () throws -> Value) throws -> Value? {
    do { return try read() } catch {
      if Failure.isOfSystem(error) { throw error }
      return nil
    }
  }
}
