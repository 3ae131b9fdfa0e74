import Files
import Tensors

/// Reads PyTorch's format since 1.6: a zip file with a pickle and one entry for each storage, all in one folder
/// (torch/serialization.py, caffe2/serialize/inline_container.cc).
enum PyTorchArchive {
  static func read(_ file: MappedFile) throws(FormatError) -> PickledState {
    let archive = try ZipArchive(file)
    let folder = try folder(of: archive)
    try checkVersion(archive, folder, file)
    guard let entry = archive[folder + "data.pkl"] else { throw .noStateDict(reason: "the archive has no data.pkl") }
    try archive.verify(entry, in: file)
    var cursor = ByteCursor(file.storage, range: entry.bytes)
    let pickle = try PickleMachine.read(&cursor, style: .zip)
    guard cursor.isAtEnd else {
      throw .malformed(
        field: "data.pkl", offset: cursor.offset, reason: "\(cursor.remaining) more bytes follow the pickle")
    }
    var records = StorageRecords(archive: archive, folder: folder, file: file, pickle)
    let resolver = TensorResolver(pickle, file: file) { (reference) throws(FormatError) in
      try records.bytes(of: reference, pickle)
    }
    return try PickledState(resolver)
  }

  /// The folder of data.pkl, which must be that of every entry, with its slash.
  private static func folder(of archive: ZipArchive) throws(FormatError) -> String {
    let pickles = archive.entries.filter { $0.name.hasSuffix("/data.pkl") && $0.name.split(separator: "/").count == 2 }
    guard pickles.count == 1, let pickle = pickles.first else { throw otherArchive(archive) }
    let folder = String(pickle.name.dropLast("data.pkl".count))
    if archive[folder + "constants.pkl"] != nil
      || archive.entries.contains(where: { $0.name.utf8.starts(with: "\(folder)code/".utf8) })
    {
      throw .wrongKind(
        looksLike: "a TorchScript program", advice: "load it with torch.jit.load and save its state_dict()")
    }
    if let twin = archive.twin {
      throw .malformed(
        field: "zip entry \(twin.name)", offset: twin.header,
        reason: "the name of another entry differs only in the case of letters")
    }
    if let stray = archive.entries.first(where: { !$0.name.utf8.starts(with: folder.utf8) }) {
      throw .malformed(
        field: "zip entry \(stray.name)", offset: stray.header, reason: "it is outside of the folder \(folder)")
    }
    if let compressed = archive.entries.first(where: \.isCompressed) {
      throw .unsupported(
        feature: "compression of \(compressed.name)", offset: compressed.header,
        advice: "PyTorch writes entries without compression: load the file and save it again")
    }
    return folder
  }

  private static func otherArchive(_ archive: ZipArchive) -> FormatError {
    let names = archive.entries.prefix(3).map(\.name).joined(separator: ", ")
    if archive.entries.contains(where: { $0.name.hasSuffix(".npy") }) {
      return .wrongKind(looksLike: "a NumPy archive (\(names)…)", advice: "pass a PyTorch or safetensors file")
    }
    return .wrongKind(
      looksLike: "a zip archive of other files (\(names)…)",
      advice: "if a checkpoint is inside, extract it first")
  }

  private static func checkVersion(
    _ archive: ZipArchive, _ folder: String, _ file: MappedFile
  ) throws(FormatError) {
    for name in ["version", "byteorder"] {
      guard let entry = archive[folder + name] else { continue }
      try archive.verify(entry, in: file)
      var cursor = ByteCursor(file.storage, range: entry.bytes)
      guard entry.bytes.count <= 16 else {
        throw .malformed(field: name, offset: entry.bytes.lowerBound, reason: "it has \(entry.bytes.count) bytes")
      }
      let text = try cursor.name(entry.bytes.count, name).filter { !$0.isWhitespace }
      if name == "byteorder" && text != "little" {
        throw .unsupported(
          feature: "byte order \(text)", offset: entry.bytes.lowerBound,
          advice: "load and save it again on a little-endian machine")
      }
      // PyTorch 2 reads versions 1 to 10, and every release has written version 3.
      if name == "version", !(1...10).contains(Int(text) ?? 0) {
        throw .unsupported(
          feature: "file format version \(text)", offset: entry.bytes.lowerBound,
          advice: "save it with a released PyTorch")
      }
    }
  }
}

/// The entries of the storages, each verified when a tensor first needs it.
private struct StorageRecords {
  let archive: ZipArchive
  let folder: String
  let file: MappedFile
  /// The keys of storages that the pickle gives two types or devices: versions of PyTorch differ in which they take.
  private let ambiguous: Set<String>
  private var verified: Set<String> = []

  init(archive: ZipArchive, folder: String, file: MappedFile, _ pickle: Pickle) {
    self.archive = archive
    self.folder = folder
    self.file = file
    var known: [String: (elements: ElementType?, size: Int, isMeta: Bool)] = [:]
    var ambiguous: Set<String> = []
    for reference in pickle.storages where reference.elementCount > 0 {
      guard case .key(let text) = reference.location else { continue }
      let key = pickle.string(text)
      // The bytes of an untyped storage may also be those of a typed one.
      let kind = (elements: reference.type.elementType, size: reference.type.elementSize, isMeta: reference.isMeta)
      if let other = known.updateValue(kind, forKey: key), other != kind { ambiguous.insert(key) }
    }
    self.ambiguous = ambiguous
  }

  mutating func bytes(of reference: StorageReference, _ pickle: Pickle) throws(FormatError) -> Range<Int> {
    guard case .key(let text) = reference.location else { return 0..<0 }
    let key = pickle.string(text)
    guard !ambiguous.contains(key) else {
      throw .malformed(field: "storage \(key)", offset: reference.offset, reason: "it has two types or devices")
    }
    guard let entry = archive["\(folder)data/\(key)"] else {
      throw .malformed(field: "storage \(key)", offset: reference.offset, reason: "its bytes are not in the archive")
    }
    guard reference.byteCount == entry.bytes.count else {
      throw .malformed(
        field: "storage \(key)", offset: reference.offset,
        reason: "\(reference.elementCount) elements of \(reference.type.elementSize) bytes do not take the "
          + "\(entry.bytes.count) bytes of its entry")
    }
    if verified.insert(key).inserted { try archive.verify(entry, in: file) }
    return entry.bytes
  }
}
