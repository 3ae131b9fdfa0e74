import Checkpoints
import Testing

/// Arguments, states and storages that decide which values a tensor has in PyTorch.
@Suite struct PickledTensorTests {
  private typealias Wire = PickleTests

  private static func problem(_ tensor: [UInt8]) -> String? {
    refusal(of: Wire.stream(Wire.dictionary([("w", tensor)])))
  }

  // MARK: - States and classes

  private static let object: [UInt8] = Wire.global("mine", "State") + [0x29, 0x81]
  private static let escaped: [UInt8] = [0x7D] + Array("Vd\\u0061ta\n".utf8) + [0x4E, 0x73]
  private static let string: [UInt8] = Wire.global("numpy", "str_") + Wire.text("data") + [0x85, 0x52]
  private static let counter: [UInt8] =
    Wire.global("collections", "Counter") + Wire.dictionary([("data", [0x4E])]) + [0x85, 0x52]

  private static let states: [(state: [UInt8], words: String?)] = [
    ([0x4E], nil),
    (Wire.tuple([[0x4E], [0x7D]]), nil),
    (Wire.tuple([Wire.dictionary([("note", [0x4E])]), [0x4E]]), nil),
    (object, "its state is an object made by mine.State"),
    (Wire.tuple([[0x4E], object]), "its state is a tuple of 2"),
    (Wire.tuple([[0x4E]]), "its state is a tuple of 1"),
    (escaped, "its state has a string with escapes as a key"),
    ([0x7D] + string + [0x4E, 0x73], "its state has an object made by numpy.str_ as a key"),
    (counter, "its values are replaced by an attribute 'data'"),
  ]

  /// Only dictionaries show whether they have a member that replaces the values.
  @Test(arguments: states.indices) func statesThatMayReplaceValuesAreRefused(index: Int) {
    let (state, words) = Self.states[index]
    let arguments = Wire.tuple([Wire.tensor(), [0x88], [0x7D], state])
    let callee = Wire.global("torch._utils", "_rebuild_parameter_with_state")
    let message = Self.problem(callee + arguments + [0x52])
    #expect(words.map { message?.contains($0) == true } ?? (message == nil), "\(message ?? "accepted")")
  }

  /// By a call, and by `__new__`.
  @Test(arguments: [0x52, 0x81] as [UInt8]) func aParameterIsItsTensor(opcode: UInt8) throws {
    let parameter = Wire.global("torch.nn.parameter", "Parameter") + Wire.tensor() + [0x88, 0x86, opcode]
    #expect(try Wire.values(Wire.dictionary([("w", parameter)])) == [0, 1, 2, 3])
    let empty = Wire.global("torch.nn.parameter", "Parameter") + [0x29, opcode]
    let message = refusal(of: Wire.stream(Wire.dictionary([("w", empty)]), storages: []))
    #expect(message?.contains("an object made by torch.nn.parameter.Parameter") == true)
  }

  // MARK: - Storages of legacy files

  private static func view(_ key: String, _ start: Int) -> [UInt8] {
    Wire.tensor(Wire.storage(view: Wire.tuple([Wire.text(key), Wire.int(start), Wire.int(2)])), size: [2])
  }

  /// PyTorch takes the first view of a name, and the storage if that has the name.
  @Test func viewsHaveNamesOfTheirOwn() throws {
    let same = Wire.dictionary([("w", Self.view("v", 1)), ("u", Self.view("v", 1)), ("x", Self.view("y", 2))])
    #expect(try Wire.values(same) == [1, 2])
    for (first, second) in [(Self.view("v", 1), Self.view("v", 2)), (Wire.tensor(), Self.view("0", 1))] {
      let message = refusal(of: Wire.stream(Wire.dictionary([("w", first), ("u", second)])))
      #expect(message?.contains("is also that of another") == true, "\(message ?? "accepted")")
    }
  }

  @Test func storagesOfTheDeviceMetaHaveNoValues() {
    let fields = [
      Wire.text("storage"), Wire.global("torch", "FloatStorage"), Wire.text("0"), Wire.text("meta"), Wire.int(4),
      [0x4E],
    ]
    #expect(Self.problem(Wire.tensor(Wire.tuple(fields) + [0x51]))?.contains("it was on the device meta") == true)
  }

  // MARK: - Storages of zip files

  private typealias Entry = (name: String, bytes: [UInt8])

  /// A zip file without checksums, as PyTorch can be set to write.
  private static func archive(_ entries: [Entry]) -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in entries {
      let offset = littleEndian(UInt32(file.count))
      let size = littleEndian(UInt32(bytes.count))
      // The version, then no flags, method, time and CRC.
      var common: [UInt8] = [20, 0] + [UInt8](repeating: 0, count: 12)
      common += size + size
      // There is no extra field.
      common += littleEndian(UInt16(name.utf8.count)) + [0, 0]
      file += [0x50, 0x4B, 3, 4] + common
      file += Array(name.utf8) + bytes
      directory += [0x50, 0x4B, 1, 2, 20, 0] + common
      directory += [UInt8](repeating: 0, count: 10) + offset
      directory += Array(name.utf8)
    }
    let count = littleEndian(UInt16(entries.count))
    var end: [UInt8] = [0x50, 0x4B, 5, 6, 0, 0, 0, 0]
    end += count + count
    end += littleEndian(UInt32(directory.count)) + littleEndian(UInt32(file.count))
    return file + directory + end + [0, 0]
  }

  private static func tensor(
    _ key: String, _ type: String, count: Int, device: String = "cpu"
  ) -> [UInt8] {
    let fields = [
      Wire.text("storage"), Wire.global("torch", type), Wire.text(key), Wire.text(device), Wire.int(count),
    ]
    return Wire.tensor(Wire.tuple(fields) + [0x51], size: [count])
  }

  /// The refusal of an archive with these tensors, 16 bytes of storage "0", an empty storage "1", and other entries.
  private static func refusalOfArchive(_ tensors: [(String, [UInt8])], _ others: [Entry] = []) -> String? {
    let pickle: Entry = ("a/data.pkl", Wire.pickle(Wire.dictionary(tensors)))
    let storage: Entry = ("a/data/0", [UInt8](repeating: 0, count: 16))
    let empty: Entry = ("a/data/1", [])
    return refusal(of: archive([pickle, storage, empty] + others))
  }

  private static let float = tensor("0", "FloatStorage", count: 4)

  /// Versions of PyTorch differ in which type they take.
  @Test func storagesOfTwoTypesAreRefused() {
    #expect(Self.refusalOfArchive([("w", Self.float)]) == nil)
    for other in [
      Self.tensor("0", "HalfStorage", count: 8), Self.tensor("0", "FloatStorage", count: 4, device: "meta"),
    ] {
      let message = Self.refusalOfArchive([("w", Self.float), ("v", other)])
      #expect(message?.contains("it has two types or devices") == true, "\(message ?? "accepted")")
    }
    let bytes = [
      ("w", Self.tensor("0", "ByteStorage", count: 16)), ("v", Self.tensor("0", "UntypedStorage", count: 16)),
    ]
    #expect(Self.refusalOfArchive(bytes) == nil)
    let empty = [("x", Self.tensor("1", "FloatStorage", count: 0)), ("y", Self.tensor("1", "HalfStorage", count: 0))]
    #expect(Self.refusalOfArchive([("w", Self.float)] + empty) == nil)
    let meta = Self.refusalOfArchive([("w", Self.tensor("0", "FloatStorage", count: 4, device: "meta"))])
    #expect(meta?.contains("it was on the device meta") == true)
  }

  /// PyTorch finds entries whatever the case of their letters.
  @Test(
    arguments: [
      ("a/BYTEORDER", Array("little".utf8), nil), ("a/BYTEORDER", Array("big".utf8), "byte order big"),
      ("a/Version", Array("99".utf8), "file format version 99"),
      ("a/DATA/0", [UInt8](repeating: 1, count: 16), "differs only in the case of letters"),
      ("a/data.PKL", [], "differs only in the case of letters"),
    ] as [(String, [UInt8], String?)])
  func namesDifferInMoreThanCase(name: String, bytes: [UInt8], words: String?) {
    let message = Self.refusalOfArchive([("w", Self.float)], [(name, bytes)])
    #expect(words.map { message?.contains($0) == true } ?? (message == nil), "\(message ?? "accepted")")
  }
}
