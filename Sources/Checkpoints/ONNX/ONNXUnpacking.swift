import COnnx
import CProtobufC
import Files

/// A message of the file on its way through protobuf-c: the fields that quern reads, copied together, without those that
/// hold further messages of their own kind or a tensor's bytes.
struct ONNXUnpacking {
  let file: MappedFile
  let message: ONNXMessage
  let range: Range<Int>

  typealias Unpack<Message> = (
    UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
  ) -> UnsafeMutablePointer<Message>?
  typealias Release<Message> = (UnsafeMutablePointer<Message>?, UnsafeMutablePointer<ProtobufCAllocator>?) -> Void

  /// Unpacks the fields of these numbers and calls `body` with the message, which is released afterwards.
  ///
  /// - Parameters:
  ///   - except: fields that are passed over although their number is wanted.
  ///   - texts: the fields that are strings; C ends them at a zero, so one with a zero in it is refused.
  func callAsFunction<Message, Result>(
    fields: Set<Int>, except passedOver: Set<Range<Int>> = [], texts: Set<Int>, _ unpack: Unpack<Message>,
    _ release: Release<Message>, _ body: (Message) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    let bytes = try skeleton(fields: fields, except: passedOver, texts: texts)
    let unpacked = bytes.withUnsafeBufferPointer { unpack(nil, $0.count - 1, $0.baseAddress) }
    guard let unpacked else { throw malformed("its fields cannot be unpacked") }
    defer { release(unpacked, nil) }
    return try body(unpacked.pointee)
  }

  /// The wanted fields one after another, and one byte more, so that there is always an address.
  private func skeleton(
    fields: Set<Int>, except passedOver: Set<Range<Int>>, texts: Set<Int>
  ) throws(FormatError) -> [UInt8] {
    var bytes: [UInt8] = []
    var reader = ProtobufReader(file, range, message: message.rawValue)
    while let field = try reader.next() {
      guard fields.contains(field.number), !passedOver.contains(field.bytes) else { continue }
      if texts.contains(field.number), file.withBytes({ $0[field.payload].contains(0) }) {
        throw .malformed(
          field: "field \(field.number) of \(message.rawValue)", offset: field.bytes.lowerBound,
          reason: "a text with a zero byte")
      }
      file.withBytes { bytes.append(contentsOf: $0[field.bytes]) }
    }
    bytes.append(0)
    return bytes
  }

  func malformed(_ reason: String) -> FormatError {
    .malformed(field: message.rawValue, offset: range.lowerBound, reason: reason)
  }

  /// A text, "" where it is absent.
  func text(_ pointer: UnsafeMutablePointer<CChar>?) throws(FormatError) -> String {
    guard let pointer else { return "" }
    guard let text = String(validatingCString: pointer) else { throw malformed("a text is not UTF-8") }
    return text
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
    let bytes = UnsafeBufferPointer(start: data.data, count: data.data == nil ? 0 : data.len)
    guard let text = String(validating: bytes, as: UTF8.self) else { throw malformed("a text is not UTF-8") }
    return text
  }
}

/// The repeated field of numbers that protobuf-c has unpacked.
func array<Value>(_ pointer: UnsafeMutablePointer<Value>?, _ count: Int) -> [Value] {
  Array(UnsafeBufferPointer(start: pointer, count: pointer == nil ? 0 : count))
}
