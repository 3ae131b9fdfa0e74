import Files
import Tensors

/// Reads arrays that NumPy saved (numpy.lib.format, versions 1 to 3): little-endian floating-point numbers in C order.
package enum NumpyArray {
  /// The first bytes of every .npy file.
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let headerLimit = 1 << 16

  /// Whether the file starts with the magic bytes of .npy files.
  package static func isOne(_ file: MappedFile) -> Bool { ByteCursor(file.storage).starts(with: magic) }

  /// The array as a view of the file, of type float16, float32 or float64 and with at most 8 axes.
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it is not a .npy
  ///   file or has another element type or order.
  package static func read(path: String) throws(CheckpointError) -> Tensor {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    do { return try read(file) } catch { throw .content(path: path, format: nil, error) }
  }

  /// The array in a file that is open.
  static func read(_ file: MappedFile) throws(FormatError) -> Tensor {
    var cursor = ByteCursor(file.storage)
    guard cursor.starts(with: magic) else {
      throw .malformed(field: "magic", offset: 0, reason: "it is not that of a .npy file")
    }
    try cursor.pass(magic.count, "magic")
    let major = try cursor.value(UInt8.self, "version")
    _ = try cursor.value(UInt8.self, "version")
    let length: Int
    switch major {
    case 1: length = Int(try cursor.value(UInt16.self, "header length"))
    case 2, 3: length = Int(try cursor.value(UInt32.self, "header length"))
    default:
      throw .unsupported(feature: ".npy version \(major)", offset: 6, advice: "save the array with numpy.save")
    }
    guard length <= headerLimit else {
      throw .limitExceeded(what: "header of \(length) bytes", offset: 8, limit: headerLimit)
    }
    let header = try cursor.pass(length, "header")
    guard let text = file.withBytes({ String(ofFile: $0[header]) }) else {
      throw .malformed(field: "header", offset: header.lowerBound, reason: "it is not \(String.fileTextRule)")
    }
    let (type, shape) = try parse(text, offset: header.lowerBound)
    guard let count = shape.checkedElementCount else {
      throw .malformed(field: "shape", offset: header.lowerBound, reason: "\(shape.dimensions) is impossible")
    }
    let (size, overflow) = count.multipliedReportingOverflow(by: type.byteCount)
    guard !overflow, size == cursor.remaining,
      let tensor = Tensor(elementType: type, shape: shape, storage: file.storage, byteOffset: cursor.offset)
    else {
      throw .malformed(
        field: "data", offset: cursor.offset,
        reason: "\(shape) of \(type) does not take the \(cursor.remaining) bytes that follow the header")
    }
    return tensor
  }

  /// Reads a header: the text of a Python dictionary with `descr`, `fortran_order` and `shape`.
  private static func parse(_ text: String, offset: Int) throws(FormatError) -> (ElementType, Shape) {
    func malformed(_ reason: String) -> FormatError { .malformed(field: "header", offset: offset, reason: reason) }
    func value(_ key: String) throws(FormatError) -> Substring {
      let name = "'\(key)':"
      guard let start = text.firstRange(of: name), text[start.upperBound...].firstRange(of: name) == nil else {
        throw malformed("'\(key)' does not appear exactly once")
      }
      return text[start.upperBound...].drop { $0 == " " }
    }
    let types: [(String, ElementType)] = [("'<f4'", .float32), ("'<f8'", .float64), ("'<f2'", .float16)]
    let descriptor = try value("descr")
    guard let type = types.first(where: { descriptor.hasPrefix($0.0) })?.1 else {
      throw .unsupported(
        feature: "the element type \(descriptor.prefix { $0 != "," })", offset: offset,
        advice: "save the array as float32: numpy.save(path, array.astype('<f4'))")
    }
    guard try value("fortran_order").hasPrefix("False") else {
      throw .unsupported(
        feature: "Fortran order", offset: offset, advice: "save numpy.ascontiguousarray(array)")
    }
    let shape = try value("shape")
    guard shape.first == "(", let end = shape.firstIndex(of: ")") else { throw malformed("the shape is not a tuple") }
    var dimensions: [Int] = []
    for part in shape[shape.index(after: shape.startIndex)..<end].split(separator: ",") {
      let digits = part.drop { $0 == " " }
      if digits.isEmpty { continue }
      guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let extent = Int(digits), dimensions.count < 8 else {
        throw malformed("the shape holds '\(part.prefix(20))'")
      }
      dimensions.append(extent)
    }
    return (type, Shape(dimensions))
  }
}
