import Files
import PackageFormat
import ReportRules

/// An object of a package's metadata, whose members are read with the types that they must have. A member that is null
/// counts as absent.
struct ReportObject {
  private let members: [String: PlainValue]
  /// The names that lead to the object, such as "drift"; empty for that of a report.
  private let path: String

  /// - Parameters:
  ///   - value: what the metadata have there.
  ///   - path: the names that lead to it.
  /// - Throws: `PackageError.invalidReport` where it is no object.
  init(_ value: PlainValue, at path: String) throws(PackageError) {
    guard case .dictionary(let members) = value else { throw Self.wrongType(path) }
    (self.members, self.path) = (members, path)
  }

  /// The names that lead to a member, such as "drift.mean".
  func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  func number(_ key: String) throws(PackageError) -> Double? { try member(key) { $0.number } }

  /// An integer, however it is written.
  func count(_ key: String) throws(PackageError) -> Int? {
    try member(key) { (value) -> Int? in
      switch value {
      case .int(let count): return count
      case .double(let number): return Int(exactly: number)
      default: return nil
      }
    }
  }

  func text(_ key: String) throws(PackageError) -> String? {
    try member(key) { (value) -> String? in if case .string(let text) = value { text } else { nil } }
  }

  func flag(_ key: String) throws(PackageError) -> Bool? {
    try member(key) { (value) -> Bool? in if case .bool(let flag) = value { flag } else { nil } }
  }

  func list(_ key: String) throws(PackageError) -> [PlainValue]? {
    try member(key) { (value) -> [PlainValue]? in if case .list(let values) = value { values } else { nil } }
  }

  /// - Parameter place: the names that are to lead to the object; `nil` for those that do.
  func object(_ key: String, at place: String? = nil) throws(PackageError) -> ReportObject? {
    guard let value = members[key], value != .null else { return nil }
    return try ReportObject(value, at: place ?? name(of: key))
  }

  /// The objects of a list.
  ///
  /// - Parameter place: the names that are to lead to each of them; `nil` for those that lead to the list.
  func objects(_ key: String, at place: String? = nil) throws(PackageError) -> [ReportObject]? {
    guard let values = try list(key) else { return nil }
    var objects: [ReportObject] = []
    for value in values { objects.append(try ReportObject(value, at: place ?? name(of: key))) }
    return objects
  }

  func interval(_ key: String) throws(PackageError) -> IntervalEnds? {
    guard let object = try object(key) else { return nil }
    return IntervalEnds(
      low: try object.required("low", try object.number("low")),
      high: try object.required("high", try object.number("high")))
  }

  /// - Throws: `PackageError.invalidReport` where a member is absent.
  func required<Value>(_ key: String, _ value: Value?) throws(PackageError) -> Value {
    guard let value else { throw .invalidReport("it has no '\(name(of: key))'") }
    return value
  }

  private func member<Value>(_ key: String, _ read: (PlainValue) -> Value?) throws(PackageError) -> Value? {
    guard let value = members[key], value != .null else { return nil }
    guard let result = read(value) else { throw Self.wrongType(name(of: key)) }
    return result
  }

  private static func wrongType(_ name: String) -> PackageError {
    .invalidReport("\(name.isEmpty ? "the report" : "'\(name)'") has another type than it should")
  }
}

/// Checks what holds of every report of a measurement.
///
/// - Throws: `PackageError.invalidReport` where it does not hold.
func require(_ holds: Bool, _ reason: @autoclosure () -> String) throws(PackageError) {
  if !holds { throw .invalidReport(reason()) }
}

/// Checks that a count, if there is one, is from 0 to `total`.
func requireCount(_ name: String, _ count: Int?, of total: Int) throws(PackageError) {
  guard let count else { return }
  try require(count >= 0 && count <= total, "\(name) is \(count), which is not from 0 to \(total)")
}
