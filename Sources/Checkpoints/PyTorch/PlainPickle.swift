import Files

/// Reads pickles that hold nothing but plain values and arrays of NumPy, which become lists. Nothing in the file is
/// executed, imported or looked up.
package enum PlainPickle {
  /// The maximum number of levels.
  private static let depthLimit = 64

  /// The maximum number of values, and of bytes in texts, of a file. Those that are referred to twice are counted
  /// twice: a small file can refer to the same list so often that its expansion would not fit into memory.
  private static func limits(_ byteCount: Int) -> (values: Int, textBytes: Int) {
    (min((1 << 16) + byteCount / 2, 1 << 24), Pickle.textLimit(byteCount))
  }

  /// Reads a file.
  ///
  /// - Throws: `CheckpointError.file` if the file cannot be opened, and `CheckpointError.content` if it is not a
  ///   pickle, has anything but plain values, or would run code when Python loads it.
  package static func read(path: String) throws(CheckpointError) -> PlainValue {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    return try read(file)
  }

  /// Reads a file that is mapped or in memory.
  ///
  /// - Throws: `CheckpointError.content` if it is not a pickle, has anything but plain values, or would run code when
  ///   Python loads it.
  package static func read(_ file: MappedFile) throws(CheckpointError) -> PlainValue {
    do throws(FormatError) {
      var cursor = ByteCursor(file.storage)
      let pickle = try PickleMachine.read(&cursor, style: .plain)
      var converter = Converter(pickle: pickle, limits: limits(file.byteCount))
      return try converter.value(of: pickle.root, depth: 0)
    } catch {
      throw .content(path: file.path, format: nil, error)
    }
  }

  private struct Converter {
    let pickle: Pickle
    let limits: (values: Int, textBytes: Int)
    var count = 0
    var textBytes = 0

    private var valueLimit: Int { limits.values }

    mutating func value(of value: PickleValue, depth: Int) throws(FormatError) -> PlainValue {
      count += 1
      guard depth < depthLimit else {
        throw .limitExceeded(what: "levels of lists in the pickle", offset: 0, limit: depthLimit)
      }
      guard count <= valueLimit else {
        throw .limitExceeded(what: "values in the pickle", offset: 0, limit: valueLimit)
      }
      switch value {
      case .none: return .null
      case .bool(let value): return .bool(value)
      case .int(let value): return .int(value)
      case .float(let value): return .double(value)
      case .string(let text): return .string(try string(text))
      case .tuple(let position), .list(let position), .set(let position):
        var values: [PlainValue] = []
        for element in pickle.elements(position) { values.append(try self.value(of: element, depth: depth + 1)) }
        return .list(values)
      case .dictionary(let position):
        let flat = pickle.elements(position)
        var members: [String: PlainValue] = [:]
        for index in stride(from: 0, to: flat.count - 1, by: 2) {
          guard case .string(let key) = flat[index] else {
            throw .malformed(
              field: "pickle", offset: 0,
              reason: "a dictionary has \(pickle.summary(flat[index])) as a key, not a string")
          }
          let name = try string(key)
          guard !members.hasLookalike(of: name) else {
            throw .malformed(
              field: "pickle", offset: 0, reason: "a dictionary has the key \(name): \(NameForms.reason)")
          }
          members[name] = try self.value(of: flat[index + 1], depth: depth + 1)
        }
        return .dictionary(members)
      case .object(let position):
        if let array = try PickledNumPy(pickle: pickle).array(pickle.objects[Int(position)], limit: valueLimit - count)
        {
          return try self.list(array, depth: depth)
        }
        fallthrough
      case .bigInteger, .bytes, .escaped, .global, .opaque, .storage, .tensor:
        throw .unsupported(
          feature: "\(pickle.summary(value)) in the pickle", offset: 0,
          advice: "only numbers, texts, lists, dictionaries and arrays of NumPy are read; save it as JSON")
      }
    }

    /// A text, which many values and keys may refer to.
    private mutating func string(_ text: PickleText) throws(FormatError) -> String {
      textBytes += Int(text.count)
      guard textBytes <= limits.textBytes else {
        throw .limitExceeded(what: "bytes of texts in the pickle", offset: 0, limit: limits.textBytes)
      }
      return pickle.string(text)
    }

    /// An array as lists in lists, the first dimension outermost.
    private mutating func list(_ array: PickledNumPy.Array, depth: Int) throws(FormatError) -> PlainValue {
      guard depth + array.shape.count < depthLimit else {
        throw .limitExceeded(what: "levels of lists in the pickle", offset: 0, limit: depthLimit)
      }
      var strides = [Int](repeating: 1, count: array.shape.count)
      let order = array.isFortran ? Swift.Array(array.shape.indices) : array.shape.indices.reversed()
      // Products overflow only where a side is 0, and are not used then.
      for (inner, outer) in zip(order, order.dropFirst()) { strides[outer] = strides[inner] &* array.shape[inner] }
      return try part(of: array, strides, dimension: 0, first: 0, depth: depth)
    }

    private mutating func part(
      of array: PickledNumPy.Array, _ strides: [Int], dimension: Int, first: Int, depth: Int
    ) throws(FormatError) -> PlainValue {
      guard dimension < array.shape.count else {
        count += 1
        switch array.elements[first] {
        case .value(let value): return value
        case .object(let value): return try self.value(of: value, depth: depth + 1)
        }
      }
      count += 1
      guard count <= valueLimit else {
        throw .limitExceeded(what: "values in the pickle", offset: 0, limit: valueLimit)
      }
      var values: [PlainValue] = []
      for index in 0..<array.shape[dimension] {
        let start = first + index * strides[dimension]
        values.append(try part(of: array, strides, dimension: dimension + 1, first: start, depth: depth + 1))
      }
      return .list(values)
    }
  }
}
