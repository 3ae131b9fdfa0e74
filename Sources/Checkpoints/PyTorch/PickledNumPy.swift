import Files

/// Arrays, scalars and element types of NumPy in a pickle of plain values, as `ndarray.__reduce__` and
/// `ndarray.__reduce_ex__` write them with any protocol (numpy/core/src/multiarray/methods.c).
struct PickledNumPy {
  let pickle: Pickle

  /// The elements of an array in the order of the file, and what is needed to place them.
  struct Array {
    let elements: [Element]
    /// No dimensions for a scalar.
    let shape: [Int]
    /// Whether the first index varies fastest.
    let isFortran: Bool
  }

  /// An element: a number, or for arrays of objects a value of the pickle.
  enum Element {
    case value(PlainValue)
    case object(PickleValue)
  }

  /// The array or the scalar that an object stands for; `nil` for other objects.
  ///
  /// - Parameter limit: the maximum number of elements.
  /// - Throws: `FormatError` where an array has elements of another type, or contradicts itself.
  func array(_ object: PickledObject, limit: Int) throws(FormatError) -> Array? {
    let arguments = pickle.elements(object.arguments)
    // Elements that were set after the call are not kept.
    guard !object.hasElements else { return nil }
    switch name(object) {
    case "multiarray._reconstruct":
      // Another class may do anything to the elements.
      guard case .global(let subtype)? = arguments.first, pickle.name(ofGlobal: subtype).hasPrefix("numpy.") else {
        return nil
      }
      guard case .tuple(let position)? = object.state else { throw malformed("an array of NumPy has no state") }
      // The version was not always there.
      let count = pickle.elements(position).count
      let state = pickle.elements(position).suffix(4)
      guard count == 4 || count == 5, case .bool(let isFortran) = boolean(state[state.startIndex + 2]) else {
        throw malformed("the state of an array of NumPy is \(pickle.summary(.tuple(position)))")
      }
      let (shape, type) = (state[state.startIndex], state[state.startIndex + 1])
      let elements = try elementType(type, before: object.offset)
      return try array(state[state.startIndex + 3], elements, try self.shape(shape, limit), isFortran)
    case "numeric._frombuffer":
      guard object.state == nil else { return nil }
      guard arguments.count == 4 else {
        throw malformed("an array of NumPy has \(arguments.count) arguments")
      }
      guard case .string(let text) = arguments[3], text.count == 1, let order = pickle.string(text).first,
        order == "C" || order == "F"
      else { throw malformed("the order of an array of NumPy is \(pickle.summary(arguments[3]))") }
      let elements = try elementType(arguments[1], before: object.offset)
      return try array(arguments[0], elements, try shape(arguments[2], limit), order == "F")
    case "multiarray.scalar":
      guard object.state == nil else { return nil }
      guard arguments.count == 2 else { throw malformed("a scalar of NumPy has \(arguments.count) arguments") }
      return try array(arguments[1], try elementType(arguments[0], before: object.offset), [], false)
    default: return nil
    }
  }

  /// The name of a function of NumPy, whose modules have moved from `numpy.core` to `numpy._core`.
  private func name(_ object: PickledObject) -> String {
    let name = pickle.name(ofGlobal: object.global)
    for prefix in ["numpy.core.", "numpy._core."] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count))
    }
    return name
  }

  private func malformed(_ reason: String) -> FormatError { .malformed(field: "pickle", offset: 0, reason: reason) }

  /// Old pickles have 0 and 1.
  private func boolean(_ value: PickleValue) -> PickleValue {
    if case .int(let number) = value { return .bool(number != 0) }
    return value
  }

  private func shape(_ value: PickleValue, _ limit: Int) throws(FormatError) -> [Int] {
    // NumPy's limit is 64 dimensions.
    guard case .tuple(let position) = value, pickle.elements(position).count <= 64 else {
      throw malformed("the shape of an array is \(pickle.summary(value))")
    }
    var (shape, count) = ([Int](), 1)
    for element in pickle.elements(position) {
      guard case .int(let side) = element, side >= 0 else {
        throw malformed("a side of an array is \(pickle.summary(element))")
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: side)
      guard !overflow, product <= limit else {
        throw .limitExceeded(what: "elements of an array in the pickle", offset: 0, limit: limit)
      }
      (count, shape) = (product, shape + [side])
    }
    return shape
  }

  private func array(
    _ data: PickleValue, _ type: (code: String, isBigEndian: Bool), _ shape: [Int], _ isFortran: Bool
  ) throws(FormatError) -> Array {
    let count = shape.reduce(1, *)
    let (code, isBigEndian) = type
    if code.hasPrefix("O") {
      guard case .list(let position) = data, pickle.elements(position).count == count else {
        throw malformed("an array of \(count) objects has \(pickle.summary(data))")
      }
      return Array(elements: pickle.elements(position).map { .object($0) }, shape: shape, isFortran: isFortran)
    }
    guard let size = code.last?.wholeNumberValue, let decode = Self.decoder(code) else {
      throw .unsupported(
        feature: "an array of NumPy with elements '\(code)' in the pickle", offset: 0,
        advice: "integers, floats and booleans are read; convert the array by .tolist(), or save as JSON")
    }
    let bytes = try self.bytes(data)
    guard bytes.count == count * size else {
      throw malformed("an array of \(count) elements of \(size) bytes has \(bytes.count) bytes")
    }
    let elements = (0..<count).map { index -> Element in
      var bits: UInt64 = 0
      for byte in 0..<size {
        let shift = 8 * (isBigEndian ? size - 1 - byte : byte)
        bits |= UInt64(bytes[index * size + byte]) << UInt64(shift)
      }
      return .value(decode(bits))
    }
    return Array(elements: elements, shape: shape, isFortran: isFortran)
  }

  /// Turns the bits of an element, in the lower bytes, into a value; `nil` for other types.
  private static func decoder(_ code: String) -> ((UInt64) -> PlainValue)? {
    switch code {
    case "b1": { .bool($0 != 0) }
    case "i1": { .int(Int(Int8(truncatingIfNeeded: $0))) }
    case "i2": { .int(Int(Int16(truncatingIfNeeded: $0))) }
    case "i4": { .int(Int(Int32(truncatingIfNeeded: $0))) }
    case "i8": { .int(Int(Int64(bitPattern: $0))) }
    case "u1", "u2", "u4": { .int(Int($0)) }
    // Numbers that no index or coordinate reaches need not be exact.
    case "u8": { Int(exactly: $0).map { .int($0) } ?? .double(Double($0)) }
    case "f4": { .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0)))) }
    case "f8": { .double(Double(bitPattern: $0)) }
    default: nil
    }
  }

  /// The code of an element type, such as "i8", and whether its bytes are in big-endian order.
  ///
  /// - Parameter offset: the position in the file of the opcode that makes the array. If the type changed after that,
  ///   it would depend on NumPy whether the elements follow.
  private func elementType(
    _ value: PickleValue, before offset: Int
  ) throws(FormatError) -> (code: String, isBigEndian: Bool) {
    let problem = malformed("the element type of an array is \(pickle.summary(value))")
    guard case .object(let position) = value else { throw problem }
    let object = pickle.objects[Int(position)]
    guard name(object) == "numpy.dtype", case .string(let code)? = pickle.elements(object.arguments).first,
      code.count <= 16, object.offset < offset, !object.hasElements
    else { throw problem }
    var text = pickle.string(code)
    var order: Character = "="
    if let first = text.first, "<>=|".contains(first) {
      order = first
      text.removeFirst()
    }
    // The state decides: (version, order, parts, names, fields, …), at first without names.
    if let state = object.state {
      guard case .tuple(let position) = state, (6...9).contains(pickle.elements(position).count) else { throw problem }
      let fields = pickle.elements(position)
      guard case .string(let text) = fields[1], text.count == 1, let letter = pickle.string(text).first,
        "<>=|".contains(letter), fields[2...(fields.count == 6 ? 3 : 4)].allSatisfy({ $0 == .none })
      else { throw problem }
      order = letter
    }
    return (text, order == ">")
  }

  /// The bytes of an array: as they are, or, with protocols before 3, as Latin-1 text.
  private func bytes(_ value: PickleValue) throws(FormatError) -> [UInt8] {
    switch value {
    case .bytes(let text), .string(let text): return try rawBytes(text)
    case .object(let position):
      let object = pickle.objects[Int(position)]
      let arguments = pickle.elements(object.arguments)
      guard object.state == nil, !object.hasElements else { break }
      switch (pickle.name(ofGlobal: object.global), arguments.first) {
      case ("__builtin__.bytes", nil), ("builtins.bytes", nil): return []
      case ("_codecs.encode", .string(let text)?) where isLatin1(arguments):
        var bytes: [UInt8] = []
        for scalar in pickle.string(text).unicodeScalars {
          guard let byte = UInt8(exactly: scalar.value) else { throw malformed("the bytes of an array are no Latin-1") }
          bytes.append(byte)
        }
        return bytes
      case ("_codecs.encode", .escaped(let text, isUnicode: true)?) where isLatin1(arguments):
        return try unescaped(try rawBytes(text))
      default: break
      }
    default: break
    }
    throw malformed("the bytes of an array are \(pickle.summary(value))")
  }

  /// Whether the second argument of `_codecs.encode` is the encoding that Python writes there.
  private func isLatin1(_ arguments: [PickleValue]) -> Bool {
    arguments.count == 2 && pickle.isString(arguments[1], "latin1")
  }

  private func rawBytes(_ text: PickleText) throws(FormatError) -> [UInt8] {
    var cursor = pickle.cursor
    let range = pickle.bytes(text)
    try cursor.move(to: range.lowerBound, "pickle")
    do { return try cursor.readBytes(range.count, "pickle") } catch { throw .truncated(error) }
  }

  /// The bytes of a text of protocol 0, which has some characters as `\u` and four digits: Python's
  /// raw-unicode-escape.
  private func unescaped(_ text: [UInt8]) throws(FormatError) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let letter = rest.first else {
        bytes.append(byte)
        continue
      }
      // Before any other character, the sign stands for itself, and so does the same sign after it.
      guard letter == UInt8(ascii: "u") || letter == UInt8(ascii: "U") else {
        bytes += [byte, letter]
        rest.removeFirst()
        continue
      }
      guard letter == UInt8(ascii: "u") else { throw malformed("the bytes of an array are no Latin-1") }
      let digits = String(decoding: rest.dropFirst().prefix(4), as: UTF8.self)
      guard digits.count == 4, let value = UInt8(digits, radix: 16) else {
        throw malformed("the bytes of an array are no Latin-1")
      }
      bytes.append(value)
      rest = rest.dropFirst(5)
    }
    return bytes
  }
}
