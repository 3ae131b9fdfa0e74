import Tensors

/// A Protocol Buffers message under construction, with fields in the order in which they are added (protobuf.dev,
/// "Encoding").
///
/// The bytes of large tensors are kept as views, and read only when the message is written, so that a model is not in
/// memory twice. Everything else is collected in pieces of a fixed length.
struct ProtobufMessage {
  private enum Piece {
    case bytes([UInt8])
    case tensor(Tensor)
  }

  /// The length in bytes to which a piece may grow.
  private static let pieceLength = 1 << 16
  /// The size in bytes up to which the elements of a tensor take less memory than the tensor.
  private static let smallTensor = 256

  private var pieces: [Piece] = []
  private(set) var byteCount = 0

  private enum WireType: UInt64 {
    case varint = 0
    case length = 2
    case fixed32 = 5
  }

  private mutating func append(_ bytes: [UInt8]) {
    byteCount += bytes.count
    guard case .bytes(var last)? = pieces.last, last.count + bytes.count <= Self.pieceLength else {
      pieces.append(.bytes(bytes))
      return
    }
    // The list gives the piece up, so that it grows without a copy.
    pieces[pieces.count - 1] = .bytes([])
    if last.count + bytes.count > max(last.capacity, Self.pieceLength / 4) { last.reserveCapacity(Self.pieceLength) }
    last += bytes
    pieces[pieces.count - 1] = .bytes(last)
  }

  private mutating func append(_ tensor: Tensor) {
    byteCount += tensor.byteCount
    pieces.append(.tensor(tensor))
  }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var remaining = value
    while remaining >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: remaining) | 0x80)
      remaining >>= 7
    }
    bytes.append(UInt8(remaining))
    return bytes
  }

  private mutating func key(_ field: Int, _ type: WireType) {
    append(Self.varint(UInt64(field) << 3 | type.rawValue))
  }

  /// Adds an int32, int64 or enum field.
  mutating func add(_ field: Int, int value: Int) {
    key(field, .varint)
    append(Self.varint(UInt64(bitPattern: Int64(value))))
  }

  mutating func add(_ field: Int, float value: Float) {
    key(field, .fixed32)
    append(withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
  }

  mutating func add(_ field: Int, string value: String) {
    key(field, .length)
    append(Self.varint(UInt64(value.utf8.count)) + Array(value.utf8))
  }

  mutating func add(_ field: Int, message: ProtobufMessage) {
    key(field, .length)
    append(Self.varint(UInt64(message.byteCount)))
    for piece in message.pieces {
      switch piece {
      case .bytes(let bytes): append(bytes)
      case .tensor(let tensor): append(tensor)
      }
    }
  }

  /// Adds a bytes field with the elements of a tensor, in row-major order and little-endian.
  mutating func add(_ field: Int, bytesOf tensor: Tensor) {
    key(field, .length)
    append(Self.varint(UInt64(tensor.byteCount)))
    if tensor.byteCount <= Self.smallTensor {
      append(tensor.withBytes { Array($0) })
    } else {
      append(tensor)
    }
  }

  /// Calls `body` with the encoded bytes, piece by piece.
  func forEachPiece<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    for piece in pieces {
      let result: Result<Void, Failure> =
        switch piece {
        case .bytes(let bytes):
          bytes.withUnsafeBytes { bytes in Result { () throws(Failure) in try body(bytes) } }
        case .tensor(let tensor):
          tensor.withBytes { bytes in Result { () throws(Failure) in try body(bytes) } }
        }
      try result.get()
    }
  }
}
