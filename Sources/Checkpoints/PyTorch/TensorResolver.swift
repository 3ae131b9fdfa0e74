import Files
import Tensors

/// Turns tensor references of a pickle into views of the file, after checking each against its storage.
struct TensorResolver {
  /// The maximum number of axes, which no layer's parameters reach. PyTorch's limit is 64.
  static let rankLimit = 16

  let pickle: Pickle
  let file: MappedFile
  /// Finds the position of a storage's bytes in the file, and checks that their number is that of the reference.
  let locate: (StorageReference) throws(FormatError) -> Range<Int>
  /// The tensors read so far, by position in `pickle.tensors`, because several names may share one tensor.
  private var resolved: [Tensor?]
  /// The number of bytes that further tensors may have. Expanded tensors, which have strides of 0, can be far larger
  /// than their storages, so the sum over all tensors is limited.
  private var budget: Int

  init(_ pickle: Pickle, file: MappedFile, locate: @escaping (StorageReference) throws(FormatError) -> Range<Int>) {
    self.pickle = pickle
    self.file = file
    self.locate = locate
    resolved = Array(repeating: nil, count: pickle.tensors.count)
    budget = Self.budget(byteCount: file.byteCount)
  }

  private static func budget(byteCount: Int) -> Int { 8 * min(byteCount, 1 << 50) + (16 << 20) }

  mutating func tensor(_ position: UInt32, named name: String) throws(FormatError) -> Tensor {
    let reference = pickle.tensors[Int(position)]
    let tensor: Tensor
    if let existing = resolved[Int(position)] {
      tensor = existing
    } else {
      tensor = try resolve(reference, name)
      resolved[Int(position)] = tensor
    }
    budget -= min(tensor.byteCount, budget + 1)
    guard budget >= 0 else {
      throw .limitExceeded(
        what: "total bytes of all tensors up to \(name)", offset: reference.offset,
        limit: Self.budget(byteCount: file.byteCount))
    }
    return tensor
  }

  private func resolve(_ reference: TensorReference, _ name: String) throws(FormatError) -> Tensor {
    if let alteration = reference.alteration {
      throw .unreadableTensor(name: name, reason: "\(alteration): save it by .clone()")
    }
    let storage = pickle.storages[Int(reference.storage)]
    guard !storage.isMeta else {
      throw .unreadableTensor(name: name, reason: "it was on the device meta, where tensors have no values")
    }
    let typeName = reference.dtype.map { pickle.name(ofGlobal: $0) } ?? storage.type.name
    guard let type = reference.dtype == nil ? storage.type.elementType : reference.elementType else {
      throw .unreadableTensor(name: name, reason: "its elements are \(typeName), which is not supported: convert it")
    }
    let record = try locate(storage)
    let storageSize = storage.type.elementSize
    let bytes =
      record.lowerBound + storage.view.lowerBound * storageSize..<record.lowerBound + storage.view.upperBound
      * storageSize
    let shape = Shape(try extents(reference.shape, "size", reference))
    guard let canonical = canonicalStrides(shape) else {
      throw malformed(reference, "\(name) has impossible extents \(shape.dimensions)")
    }
    var strides = try extents(reference.strides, "strides", reference)
    guard strides.count == shape.rank, reference.start >= 0 else {
      throw malformed(
        reference, "\(name) has \(shape.rank) axes, \(strides.count) strides and offset \(reference.start)")
    }
    // The strides of axes with one element, and all strides of an empty tensor, are never used and may be arbitrary.
    let isEmpty = shape.dimensions.contains(0)
    for axis in strides.indices where isEmpty || shape[axis] == 1 { strides[axis] = canonical[axis] }
    guard !isEmpty else {
      let tensor = Tensor(
        elementType: type, shape: shape, strides: strides, storage: file.storage, byteOffset: bytes.lowerBound)
      guard let tensor else { throw malformed(reference, "\(name) has impossible extents \(shape.dimensions)") }
      return tensor
    }
    guard let end = end(of: shape, strides, start: reference.start, type), end <= bytes.count else {
      throw malformed(
        reference,
        "\(name) (\(shape), strides \(strides), offset \(reference.start)) exceeds its storage of \(bytes.count) bytes")
    }
    let tensor = Tensor(
      elementType: type, shape: shape, strides: strides, storage: file.storage,
      byteOffset: bytes.lowerBound + reference.start * type.byteCount)
    guard let tensor else { throw malformed(reference, "\(name) ends outside of the file") }
    return tensor
  }

  private func malformed(_ reference: TensorReference, _ reason: String) -> FormatError {
    .malformed(field: "tensor", offset: reference.offset, reason: reason)
  }

  private func extents(
    _ container: UInt32, _ field: String, _ reference: TensorReference
  ) throws(FormatError) -> [Int] {
    let values = pickle.elements(container)
    guard values.count <= Self.rankLimit else { throw malformed(reference, "its \(field) has \(values.count) axes") }
    var extents: [Int] = []
    for value in values {
      guard case .int(let extent) = value, extent >= 0 else {
        throw malformed(reference, "its \(field) holds \(pickle.summary(value))")
      }
      extents.append(extent)
    }
    return extents
  }

  /// The end of the last element, in bytes from the start of the storage's view; `nil` if it overflows.
  private func end(of shape: Shape, _ strides: [Int], start: Int, _ type: ElementType) -> Int? {
    var last = start
    for (extent, step) in zip(shape.dimensions, strides) {
      let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: step)
      let (sum, sumOverflow) = last.addingReportingOverflow(reach)
      guard !overflow, !sumOverflow else { return nil }
      last = sum
    }
    let (elements, overflow) = last.addingReportingOverflow(1)
    let (bytes, bytesOverflow) = elements.multipliedReportingOverflow(by: type.byteCount)
    return overflow || bytesOverflow ? nil : bytes
  }
}

/// Row-major strides, or `nil` if the product of the extents overflows. Extents of 0 count as 1, so that no later
/// arithmetic on the shape can overflow.
func canonicalStrides(_ shape: Shape) -> [Int]? {
  var strides = [Int](repeating: 1, count: shape.rank)
  var product = 8  // the size of the largest element in bytes
  for axis in shape.dimensions.indices.reversed() {
    guard shape[axis] >= 0 else { return nil }
    strides[axis] = product / 8
    let (next, overflow) = product.multipliedReportingOverflow(by: max(shape[axis], 1))
    guard !overflow else { return nil }
    product = next
  }
  return strides
}
