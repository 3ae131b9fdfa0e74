import Files

/// Reads a checkpoint that is split into several files, given its index: a JSON object whose `weight_map` names the
/// file of each tensor (`model.safetensors.index.json` and `pytorch_model.bin.index.json` of Hugging Face's libraries).
///
/// Shards must lie in the folder of the index.
enum ShardIndex {
  /// Even language models, which are larger than image networks, have only some hundred shards.
  private static let shardLimit = 1024
  private static let byteLimit = 100_000_000

  static func isPlausible(_ file: MappedFile) -> Bool {
    let key = Array("\"weight_map\"".utf8)
    return file.withBytes { bytes in
      // White space, and a byte order mark.
      let text = bytes.prefix(1 << 20).drop { $0 == 0x20 || (0x09...0x0D).contains($0) || $0 >= 0xBB }
      guard text.first == UInt8(ascii: "{") else { return false }
      return text.indices.contains { text[$0] == key[0] && text[$0...].starts(with: key) }
    }
  }

  /// - Throws: `FormatError.wrongKind` for a shard whose index lies in the same folder, because a single shard is only
  ///   a part of a network; `system` where it cannot be told.
  static func refuseShard(_ path: String) throws(FormatError) {
    let (folder, name) = path.pathParts
    // Most names are none of a shard, and need not be matched.
    guard name.utf8.count > 15, name.hasSuffix(".safetensors") || name.hasSuffix(".bin"),
      let match = name.wholeMatch(of: /(.+)-(\d{5})-of-(\d{5})(\.safetensors|\.bin)/), match.3 != "00001"
    else { return }
    let index = "\(match.1)\(match.4).index.json"
    do throws(FileError) {
      guard try FileIdentity.of("\(folder)/\(index)") != nil else { return }
    } catch { throw .system(error) }
    throw .wrongKind(
      looksLike: "shard \(Int(match.2) ?? 0) of \(Int(match.3) ?? 0) of a checkpoint",
      advice: "pass its index, \(folder == "." ? "" : folder + "/")\(index)")
  }

  static func read(_ file: MappedFile) throws(FormatError) -> CheckpointContents {
    let map = try weightMap(of: file)
    for texts in [map.map(\.name), map.map(\.location)] {
      guard let text = NameForms.lookalike(in: texts) else { continue }
      throw .malformed(field: "weight_map", offset: 0, reason: "\(text): \(NameForms.reason)")
    }
    let (folder, _) = file.path.pathParts
    var shards: [String: CheckpointContents] = [:]
    var contents = CheckpointContents(tensors: NamedTensors())
    for (name, location) in map {
      if shards[location] == nil {
        guard shards.count < shardLimit else {
          throw .limitExceeded(what: "number of shards", offset: 0, limit: shardLimit)
        }
        let (shard, data) = try shard(location, in: folder)
        shards[location] = shard
        contents.dataFiles.append(data)
        for (object, reason) in shard.ignored.map({ ($0.name, $0.reason) }) {
          contents.ignored.append(.init(name: "\(location): \(object)", reason: reason))
        }
      }
      if let reason = shards[location]?.unreadable[exactly: name] {
        contents.unreadable[name] = reason
        continue
      }
      guard let tensor = shards[location]?.tensors[name] else {
        throw .unreadableTensor(
          name: name, reason: "the index says that it is in '\(location)', which does not contain it")
      }
      guard contents.tensors.append(tensor, named: name) else {
        throw .malformed(field: "weight_map", offset: 0, reason: "\(name) appears twice")
      }
    }
    let listed = Set(map.map(\.name))
    for (location, shard) in shards.sorted(by: { $0.key < $1.key }) {
      for name in shard.tensors.names where !listed.contains(exactly: name) {
        contents.ignored.append(.init(name: "\(location): \(name)", reason: "a tensor that the index does not list"))
      }
    }
    return contents
  }

  private static func shard(
    _ location: String, in folder: String
  ) throws(FormatError) -> (CheckpointContents, MappedFile) {
    let file: MappedFile
    do throws(ConfinementError) { file = try MappedFile.confined(to: folder, location: location) } catch {
      if case .file(let problem) = error, problem.kind == .inputOutput { throw .system(problem) }
      throw .dataFile(name: location, reason: "\(error)")
    }
    do throws(FormatError) {
      switch try FileSignature.format(of: file) {
      case .safetensors: return (try SafetensorsReader.read(file), file)
      case .pytorchZip: return (try contents(of: try PyTorchArchive.read(file)), file)
      case .pytorchLegacy: return (try contents(of: try LegacyStream.read(file)), file)
      case let format:
        throw FormatError.dataFile(name: location, reason: "a shard is safetensors or PyTorch, not \(format)")
      }
    } catch {
      if case .dataFile = error { throw error }
      throw .dataFile(name: location, reason: "\(error)")
    }
  }

  private static func contents(of state: PickledState) throws(FormatError) -> CheckpointContents {
    var state = state
    let group = try state.defaultGroup()
    return try state.contents(of: [group], below: state.groups[group].path)
  }

  private static func weightMap(of file: MappedFile) throws(FormatError) -> [(name: String, location: String)] {
    guard file.byteCount <= byteLimit else {
      throw .limitExceeded(what: "index of \(file.byteCount) bytes", offset: 0, limit: byteLimit)
    }
    var json = HeaderJSON(file: file.storage)
    var map: [(name: String, location: String)] = []
    try json.object { (json, key, offset) throws(FormatError) in
      guard key == "weight_map" else { return try json.skipValue() }
      guard map.isEmpty else { throw .malformed(field: "index", offset: offset, reason: "weight_map appears twice") }
      try json.object { (json, name, nameOffset) throws(FormatError) in
        guard name.utf8.count <= SafetensorsReader.nameLimit else {
          throw .limitExceeded(
            what: "name of \(name.utf8.count) bytes", offset: nameOffset, limit: SafetensorsReader.nameLimit)
        }
        map.append((name, MappedFile.shortest(try json.string())))
      }
    }
    json.skipBlanks()
    guard json.cursor.isAtEnd else {
      throw .malformed(
        field: "index", offset: json.cursor.offset, reason: "\(json.cursor.remaining) more bytes follow its JSON")
    }
    guard !map.isEmpty else { throw .noStateDict(reason: "the index's weight_map names no tensors") }
    return map
  }
}
