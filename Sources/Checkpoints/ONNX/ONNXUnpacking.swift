import COnnx
import CProtobufC
import Files
import Glibc

/// Unpacks a message of the file with protobuf-c. Only the fields that are needed are copied and unpacked, without
/// those that contain nested graphs or the bytes of a tensor.
struct ONNXUnpacking {
  let file: MappedFile
  let message: ONNXMessage
  let range: Range<Int>

  typealias Unpack<Message> = (
    UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
  ) -> UnsafeMutablePointer<Message>?
  typealias Release<Message> = (UnsafeMutablePointer<Message>?, UnsafeMutablePointer<ProtobufCAllocator>?) -> Void

  /// Unpacks fields and calls `body` with the message, which is released afterwards.
  ///
  /// - Parameters:
  ///   - fields: the numbers of the fields to unpack.
  ///   - except: the positions of fields that are skipped even if their number is in `fields`.
  ///   - texts: the numbers of fields that are strings. A string with a zero byte is refused, because C would end it
  ///     there.
  func callAsFunction<Message, Result>(
    fields: Set<Int>, except skipped: Set<Range<Int>> = [], texts: Set<Int>, _ unpack: Unpack<Message>,
    _ release: Release<Message>, _ body: (Message) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    let bytes = try selectedBytes(fields: fields, except: skipped, texts: texts)
    let unpacked = bytes.withUnsafeBufferPointer { unpack(nil, $0.count - 1, $0.baseAddress) }
    guard let unpacked else { throw malformed("its fields cannot be unpacked") }
    defer { release(unpacked, nil) }
    return try body(unpacked.pointee)
  }

  /// The selected fields one after another, followed by one more byte, so that the address of the bytes is never `nil`.
  private func selectedBytes(
    fields: Set<Int>, except skipped: Set<Range<Int>>, texts: Set<Int>
  ) throws(FormatError) -> [UInt8] {
    var bytes: [UInt8] = []
    var reader = ProtobufReader(file, range, message: message.rawValue)
    while let field = try reader.next() {
      guard fields.contains(field.number), !skipped.contains(field.bytes) else { continue }
      if texts.contains(field.number), file.withBytes({ $0[field.payload].contains(0) }) {
        throw .malformed(
          field: "field \(field.number) of \(message.rawValue)", offset: field.bytes.lowerBound,
          reason: "a string with a zero byte")
      }
      file.withBytes { bytes.append(contentsOf: $0[field.bytes]) }
    }
    bytes.append(0)
    return bytes
  }

  func malformed(_ reason: String) -> FormatError {
    .malformed(field: message.rawValue, offset: range.lowerBound, reason: reason)
  }

  /// The text of a string, or "" if it is absent.
  func text(_ pointer: UnsafeMutablePointer<CChar>?) throws(FormatError) -> String {
    guard let pointer else { return "" }
    return try text(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
  }

  func texts(_ pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int) throws(FormatError)
    -> [String]
  {
    var result: [String] = []
    for pointer in UnsafeBufferPointer(start: pointers, count: pointers == nil ? 0 : count) {
      result.append(try text(pointer))
    }
    return result
  }

  func text(_ data: ProtobufCBinaryData) throws(FormatError) -> String {
    try text(UnsafeRawBufferPointer(start: data.data, count: data.data == nil ? 0 : data.len))
  }

  private func text(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> String {
    guard let text = String(ofFile: bytes) else { throw malformed("a string is not \(String.fileTextRule)") }
    return text
  }
}

/// A copy of a repeated field of numbers that protobuf-c unpacked.
func array<Value>(_ pointer: UnsafeMutablePointer<Value>?, _ count: Int) -> [Value] {
  Array(UnsafeBufferPointer(start: pointer, count: pointer == nil ? 0 : count))
}
