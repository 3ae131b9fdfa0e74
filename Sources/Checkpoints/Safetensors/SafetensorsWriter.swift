import Files
import Tensors

/// Writes safetensors files, byte for byte as the safetensors library does. Tensors are sorted by element type and then
/// by name, so that each is aligned. Metadata is sorted by key, and the header is padded with blanks to 8 bytes.
package enum SafetensorsWriter {
  /// Writes the file whole or not at all. Strided tensors are written row-major.
  ///
  /// - Parameter metadata: the file's `__metadata__`, which is left out if empty.
  /// - Throws: `FileError.cannotCreate` or `FileError.cannotWrite`.
  package static func write(
    _ tensors: NamedTensors, metadata: [String: String] = [:], to path: String
  ) throws(FileError) {
    let file = try AtomicFile(path: path)
    try write(tensors, metadata: metadata, to: file)
    try file.commit()
  }

  /// Writes to a file that the caller commits. Strided tensors are written row-major.
  ///
  /// - Parameter metadata: the file's `__metadata__`, which is left out if empty.
  /// - Throws: `FileError.cannotWrite`.
  package static func write(
    _ tensors: NamedTensors, metadata: [String: String] = [:], to file: AtomicFile
  ) throws(FileError) {
    let order = ElementType.safetensorsNames.map(\.type)
    let ranks = Dictionary(uniqueKeysWithValues: zip(order, order.indices))
    let sorted = tensors.sorted { a, b in
      let (x, y) = (ranks[a.tensor.elementType] ?? 0, ranks[b.tensor.elementType] ?? 0)
      return x != y ? x > y : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
    let header = header(of: sorted, metadata: metadata)
    let length = UInt64(header.count)
    try file.write((0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) })
    try file.write(header)
    for (_, tensor) in sorted {
      let result = tensor.withBytes { bytes in Result { () throws(FileError) in try file.write(bytes) } }
      try result.get()
    }
  }

  private static func header(of tensors: [NamedTensors.Element], metadata: [String: String]) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      members.append(
        "\"__metadata__\":{\(pairs.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ","))}")
    }
    var end = 0
    for (name, tensor) in tensors {
      let start = end
      end += tensor.byteCount
      let type = ElementType.safetensorsNames.first { $0.type == tensor.elementType }?.name ?? ""
      let shape = tensor.shape.dimensions.map(String.init).joined(separator: ",")
      members.append("\(quoted(name)):{\"dtype\":\"\(type)\",\"shape\":[\(shape)],\"data_offsets\":[\(start),\(end)]}")
    }
    var header = Array("{\(members.joined(separator: ","))}".utf8)
    while header.count % 8 != 0 { header.append(0x20) }
    return header
  }

  /// A JSON string.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{08}": result += "\\b"
      case "\u{0C}": result += "\\f"
      case "\u{00}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
