/// The type of a tensor's elements.
///
/// Packages store the raw values (formats/package.md, "Element types"), so they must never be renumbered.
package enum ElementType: UInt8, Sendable, Hashable, CaseIterable {
  case float32 = 1
  case float16 = 2
  case bfloat16 = 3
  case float64 = 4
  case int8 = 5
  case uint8 = 6
  case int16 = 7
  case int32 = 8
  case int64 = 9
  case bool = 10
  case uint16 = 11
  case uint32 = 12
  case uint64 = 13

  /// The size of one element in bytes: 1, 2, 4 or 8.
  package var byteCount: Int {
    switch self {
    case .int8, .uint8, .bool: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// Whether the elements are floating-point numbers, of 16, 32 or 64 bits.
  package var isFloatingPoint: Bool {
    switch self {
    case .float32, .float16, .bfloat16, .float64: true
    default: false
    }
  }
}

extension ElementType: CustomStringConvertible {
  package var description: String {
    switch self {
    case .float32: "float32"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .float64: "float64"
    case .int8: "int8"
    case .uint8: "uint8"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .bool: "bool"
    case .uint16: "uint16"
    case .uint32: "uint32"
    case .uint64: "uint64"
    }
  }
}

/// A Swift type that stands for the elements of one element type.
package protocol TensorElement: BitwiseCopyable, Sendable {
  /// The element type of tensors that hold values of this type.
  static var elementType: ElementType { get }
}

extension Float: TensorElement { package static var elementType: ElementType { .float32 } }
extension Double: TensorElement { package static var elementType: ElementType { .float64 } }
extension Int8: TensorElement { package static var elementType: ElementType { .int8 } }
extension UInt8: TensorElement { package static var elementType: ElementType { .uint8 } }
extension Int16: TensorElement { package static var elementType: ElementType { .int16 } }
extension UInt16: TensorElement { package static var elementType: ElementType { .uint16 } }
extension Int32: TensorElement { package static var elementType: ElementType { .int32 } }
extension UInt32: TensorElement { package static var elementType: ElementType { .uint32 } }
extension Int64: TensorElement { package static var elementType: ElementType { .int64 } }
extension UInt64: TensorElement { package static var elementType: ElementType { .uint64 } }
