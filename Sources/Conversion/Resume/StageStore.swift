import Calibration
import Checkpoints
import Fidelity
import Files
import FoundationEssentials
import Graphs
import Quantization
import Tensors

/// The finished stages of a conversion in a folder, so that a conversion of the same checkpoint, images and options can
/// continue where another one ended: the statistics of calibration, the levels of weights, and the plan that a search
/// found. Files appear whole or not at all, and each has its hash stored next to it.
///
/// `AtomicFile` follows symbolic links, and nobody named these files as outputs. A link among them could lead to any
/// file of the user's, and is refused.
package struct StageStore {
  private let folder: String

  private enum Part: String, CaseIterable {
    case conversion = "conversion.json"
    case calibration = "calibration.safetensors"
    case levels = "levels.safetensors"
    case plan = "plan.json"

    /// The name of the file with the hash.
    var hashName: String { rawValue + ".sha256" }
    /// The names of its files. The properties of the conversion are compared themselves, and have no hash.
    var names: [String] { self == .conversion ? [rawValue] : [rawValue, hashName] }
  }

  /// The files that a conversion may write to a folder that exists, so that they can be told from its inputs and its
  /// other outputs. Names that are taken by something else than a file are left to `init`, which refuses them.
  ///
  /// - Throws: `FileError.cannotOpen` where the system fails to say what is there.
  package static func outputs(in path: String) throws(FileError) -> [String] {
    guard try FileIdentity.reachable(path)?.kind == .folder else { return [] }
    var outputs: [String] = []
    for name in Part.allCases.flatMap(\.names) {
      let file = Self.path(of: name, in: path)
      if try isAvailable(file) { outputs.append(file) }
    }
    return outputs
  }

  /// Whether a path is that of a regular file, or of nothing.
  private static func isAvailable(_ path: String) throws(FileError) -> Bool {
    guard try !FileIdentity.isLink(path) else { return false }
    return try FileIdentity.reachable(path).map { $0.kind == .regular } ?? true
  }

  /// Opens the folder, or creates it.
  ///
  /// - Parameters:
  ///   - path: the path of the folder.
  ///   - conversion: everything that the results of the conversion's stages depend on, by name.
  /// - Throws: `StageStoreError.stale` where the folder belongs to another conversion, `.foreign` where it has other
  ///   files, `.notAFile` where one of its names is taken by something else; `FileError.cannotCreate` where it cannot
  ///   be created.
  init(_ path: String, conversion: [String: String]) throws {
    folder = path
    for name in Part.allCases.flatMap(\.names) { try Self.checkIsFile(Self.path(of: name, in: path)) }
    let file = Self.path(of: Part.conversion.rawValue, in: path)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    guard try FileIdentity.of(file) != nil else {
      // A killed run may have left a temporary file, which the next output in the folder removes.
      let names = try Folder.names(in: path, ifMissing: [])
      guard names.allSatisfy(AtomicFile.isTemporary) else { throw StageStoreError.foreign(path) }
      try Folder.make(path: path)
      try Self.checkIsFile(file)
      try AtomicFile.write(String(decoding: try encoder.encode(conversion), as: UTF8.self), to: file)
      InputFiles.readOn()
      return
    }
    let data = try MappedFile(path: file).withBytes { Data($0) }
    guard let stored = try? JSONDecoder().decode([String: String].self, from: data) else {
      throw StageStoreError.foreign(path)
    }
    let names = Set(stored.keys).union(conversion.keys).sorted()
    if let name = names.first(where: { stored[$0] != conversion[$0] }) {
      throw StageStoreError.stale(path, name: name, stored: stored[name], now: conversion[name])
    }
  }

  /// The path of a file in a folder. Paths stay relative to the working folder, whose own path may not be UTF-8.
  private static func path(of name: String, in folder: String) -> String {
    folder + (folder.isEmpty || folder.hasSuffix("/") ? "" : "/") + name
  }

  private func path(_ part: Part) -> String { Self.path(of: part.rawValue, in: folder) }

  /// The path of the file with a part's hash, which is written after the part.
  private func hashPath(_ part: Part) -> String { Self.path(of: part.hashName, in: folder) }

  private func hashText(_ part: Part) throws -> String { "\(try MappedFile(path: path(part)).sha256().hex)\n" }

  /// Writes a part, and then its hash.
  ///
  /// - Parameter write: writes the part to a path.
  /// - Throws: `StageStoreError.notAFile` where one of the names has been taken by something else since the folder was
  ///   opened; what `write` throws; `FileError` where the hash cannot be written.
  private func finish(_ part: Part, _ write: (_ path: String) throws -> Void) throws {
    try Self.checkIsFile(path(part))
    try write(path(part))
    try Self.checkIsFile(hashPath(part))
    try AtomicFile.write(try hashText(part), to: hashPath(part))
    InputFiles.readOn()
  }

  /// - Throws: `StageStoreError.notAFile` for what is neither a regular file nor missing.
  private static func checkIsFile(_ path: String) throws {
    guard try !isAvailable(path) else { return }
    throw StageStoreError.notAFile(path, isLink: try FileIdentity.isLink(path))
  }

  /// Whether a part and its hash are there.
  ///
  /// - Throws: `StageStoreError.damaged` where the part does not match its hash.
  private func isFinished(_ part: Part) throws -> Bool {
    guard try FileIdentity.of(path(part)) != nil, try FileIdentity.of(hashPath(part)) != nil else { return false }
    let storedHash = try MappedFile(path: hashPath(part)).withBytes { String(decoding: $0, as: UTF8.self) }
    guard try storedHash == hashText(part) else { throw damaged(part) }
    return true
  }

  private func read(_ part: Part) throws -> (tensors: NamedTensors, metadata: [String: String])? {
    guard try isFinished(part) else { return nil }
    let checkpoint = try Checkpoint.read(path: path(part))
    return (checkpoint.tensors, checkpoint.metadata)
  }

  private func damaged(_ part: Part) -> StageStoreError { .damaged(path(part)) }

  // MARK: - Calibration

  /// The result of the stages up to calibration.
  struct Calibrated {
    var scales: ChannelScales?
    var equalizationPasses: Int
    var statistics: ActivationStatistics
    var skippedCount: Int
  }

  func write(_ calibrated: Calibrated, _ graph: Graph) throws {
    var tensors = NamedTensors()
    for node in graph.nodes {
      if let scales = calibrated.scales, scales.isScaled(node.output) {
        _ = tensors.append(Tensor(scales[node.output]), named: "scales/\(node.name)")
      }
      if let histogram = calibrated.statistics.histograms[node.output] {
        _ = tensors.append(Tensor(histogram.counts), named: "counts/\(node.name)")
        let halves = histogram.weights.flatMap { [UInt64(truncatingIfNeeded: $0), UInt64($0 >> 64)] }
        _ = tensors.append(Tensor(halves), named: "weights/\(node.name)")
        _ = tensors.append(Tensor([histogram.minimum, histogram.maximum]), named: "extremes/\(node.name)")
      }
    }
    let metadata = [
      "is_equalised": calibrated.scales == nil ? "no" : "yes",
      "equalization_passes": "\(calibrated.equalizationPasses)", "passes": "\(calibrated.statistics.passes)",
      "skipped": "\(calibrated.skippedCount)",
    ]
    try finish(.calibration) { try SafetensorsWriter.write(tensors, metadata: metadata, to: $0) }
  }

  /// The stored result of calibration.
  ///
  /// - Parameter imageSize: the side in pixels of images that the graph takes.
  /// - Returns: `nil` where calibration was not finished.
  /// - Throws: `StageStoreError.damaged` where the file does not fit the graph.
  func calibrated(_ graph: Graph, imageSize: Int) throws -> Calibrated? {
    guard let (tensors, metadata) = try read(.calibration) else { return nil }
    guard let passes = metadata["passes"].flatMap({ UInt32($0) }),
      let skipped = metadata["skipped"].flatMap({ UInt32($0) }),
      let equalized = metadata["equalization_passes"].flatMap({ UInt32($0) })
    else { throw damaged(.calibration) }
    var scales = try ChannelScales(onesFor: graph, imageSize: imageSize)
    var statistics = ActivationStatistics()
    statistics.passes = Int(passes)
    for node in graph.nodes {
      if let tensor = tensors["scales/\(node.name)"] {
        guard tensor.elementType == .float32, tensor.elementCount == scales[node.output].count,
          ChannelScales.areFactors(tensor.elements(as: Float.self))
        else { throw damaged(.calibration) }
        scales[node.output] = tensor.elements(as: Float.self)
      }
      guard let counts = tensors["counts/\(node.name)"], let weights = tensors["weights/\(node.name)"],
        let extremes = tensors["extremes/\(node.name)"]
      else { continue }
      guard counts.elementType == .uint64, counts.elementCount == ActivationHistogram.binCount,
        weights.elementType == .uint64, weights.elementCount == 2 * ActivationHistogram.groupCount,
        extremes.elementType == .float32, extremes.elementCount == 2
      else { throw damaged(.calibration) }
      let ends = extremes.elements(as: Float.self)
      let halves = weights.elements(as: UInt64.self)
      let histogram = ActivationHistogram(
        counts: counts.elements(as: UInt64.self),
        weights: stride(from: 0, to: halves.count, by: 2).map { UInt128(halves[$0]) | UInt128(halves[$0 + 1]) << 64 },
        minimum: ends[0], maximum: ends[1])
      guard let histogram else { throw damaged(.calibration) }
      statistics.histograms[node.output] = histogram
    }
    return Calibrated(
      scales: metadata["is_equalised"] == "yes" ? scales : nil, equalizationPasses: Int(equalized),
      statistics: statistics, skippedCount: Int(skipped))
  }

  // MARK: - Levels

  func write(_ levels: WeightLevels, _ steps: WeightSteps, _ graph: Graph) throws {
    var tensors = NamedTensors()
    for node in graph.nodes {
      guard let layer = levels[node] else { continue }
      _ = tensors.append(layer.levels, named: "levels/\(node.name)")
      _ = tensors.append(Tensor(layer.scales), named: "scales/\(node.name)")
      _ = tensors.append(Tensor(layer.finestScales), named: "finest_scales/\(node.name)")
      if let bias = layer.bias { _ = tensors.append(Tensor(bias), named: "bias/\(node.name)") }
      if let padding = layer.paddingValue { _ = tensors.append(Tensor(padding), named: "padding/\(node.name)") }
      if let step = steps.least[node.name] { _ = tensors.append(Tensor([step]), named: "step/\(node.name)") }
    }
    try finish(.levels) { try SafetensorsWriter.write(tensors, to: $0) }
  }

  /// The stored steps and levels of weights.
  ///
  /// - Returns: `nil` where the rounding of weights was not finished.
  /// - Throws: `StageStoreError.damaged` where the file does not fit the graph.
  func levels(_ graph: Graph) throws -> (WeightSteps, WeightLevels)? {
    guard let (tensors, _) = try read(.levels) else { return nil }
    var (steps, levels) = (WeightSteps(), WeightLevels())
    for node in graph.nodes {
      guard let weight = tensors["levels/\(node.name)"] else { continue }
      let outputs = weight.shape.rank > 0 ? weight.shape[0] : 0
      guard let scales = tensors["scales/\(node.name)"], let finest = tensors["finest_scales/\(node.name)"],
        weight.elementType == .int8, weight.shape == node.constants["weight"]?.shape,
        [scales, finest].allSatisfy({ $0.elementType == .float32 && $0.elementCount == outputs })
      else { throw damaged(.levels) }
      guard (scales.elements(as: Float.self) + finest.elements(as: Float.self)).allSatisfy({ $0.isFinite && $0 > 0 })
      else { throw damaged(.levels) }
      let (bias, padding) = (tensors["bias/\(node.name)"], tensors["padding/\(node.name)"])
      guard bias.map({ $0.elementType == .float64 && $0.elementCount == outputs }) ?? true,
        padding.map({ $0.elementType == .uint8 && $0.elementCount == weight.shape[weight.shape.rank - 1] }) ?? true
      else { throw damaged(.levels) }
      levels[node] = WeightLevels.Layer(
        levels: weight, scales: scales.elements(as: Float.self), finestScales: finest.elements(as: Float.self),
        bias: bias?.elements(as: Double.self), paddingValue: padding?.elements(as: UInt8.self))
      if let step = tensors["step/\(node.name)"] {
        guard step.elementType == .float32, step.elementCount == 1, step.elements(as: Float.self)[0].isFinite else {
          throw damaged(.levels)
        }
        steps.least[node.name] = step.elements(as: Float.self)[0]
      }
    }
    return (steps, levels)
  }

  // MARK: - Plan

  func write(_ plan: PlanFile) throws {
    let text = try plan.json()
    try finish(.plan) { try AtomicFile.write(text, to: $0) }
  }

  /// The stored plan of a search.
  ///
  /// - Returns: `nil` where the search was not finished.
  /// - Throws: `StageStoreError.damaged` where the file does not match its hash; `PlanError` where it is not a plan.
  func plan() throws -> PlanFile? {
    guard try isFinished(.plan) else { return nil }
    return try PlanFile(path: path(.plan))
  }
}

/// A folder of finished stages that cannot be used.
package enum StageStoreError: Error, Hashable, Sendable {
  /// The folder at a path belongs to another conversion: the property `name` has another value there than now, or none
  /// in one of the two.
  case stale(String, name: String, stored: String?, now: String?)
  /// The folder at a path has other files.
  case foreign(String)
  /// The file at a path does not match its hash, or does not fit the network.
  case damaged(String)
  /// What has the name of a stage's file is a symbolic link, or a folder, a device, a pipe or a socket.
  case notAFile(String, isLink: Bool)
}

extension StageStoreError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .stale(let path, let name, let stored, let now):
      "\(path): the stages in this folder belong to another conversion: \(name) was \(stored ?? "not set") and is now "
        + "\(now ?? "not set"); give another folder to --resume, or remove this one"
    case .foreign(let path):
      "\(path): the folder has files that do not come from a conversion; give --resume an empty or a new folder"
    case .damaged(let path): "\(path): the stored stage is damaged; remove the file to compute it again"
    case .notAFile(let path, let isLink):
      "\(path): is \(isLink ? "a symbolic link" : "a folder, a device or a pipe"), where a conversion stores a file of its "
        + (isLink ? "own, and would replace what the link leads to" : "own")
        + "; remove it, or give another folder to --resume"
    }
  }
}
