/// The names in a file, by which two are noticed that look alike: their bytes differ, and they are canonically
/// equivalent (UAX #15), such as `é` as one scalar and as a letter with a combining mark. Swift's strings of such names
/// are equal.
package struct NameForms: Sendable {
  private var names: Set<String> = []

  /// No names.
  package init() {}

  /// Adds a name.
  ///
  /// - Returns: whether no name was added before that differs from it in the Unicode normal form alone.
  package mutating func add(_ name: String) -> Bool {
    let (inserted, known) = names.insert(name)
    return inserted || known.isExactly(name)
  }

  /// The first name that differs from an earlier one in the Unicode normal form alone; `nil` where there is none.
  package static func lookalike(in names: some Collection<String>) -> String? {
    // Most files have no other names.
    guard names.contains(where: { !$0.isASCII }) else { return nil }
    var forms = NameForms()
    return names.first { !forms.add($0) }
  }

  /// Why a name is refused that looks like another, to follow the name.
  package static let reason = "another name differs from it in the Unicode normal form alone"
}

extension String {
  /// Whether both have the same bytes in UTF-8.
  package func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

  /// Whether all characters are of ASCII. Two such strings are equal only where their bytes are.
  package var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }
}

extension Dictionary where Key == String {
  /// The value of a key that has exactly these bytes; `nil` where there is none.
  package subscript(exactly key: String) -> Value? {
    guard let place = index(forKey: key), self[place].key.isExactly(key) else { return nil }
    return self[place].value
  }

  /// Whether there is a key that differs from another in the Unicode normal form alone.
  package func hasLookalike(of key: String) -> Bool {
    index(forKey: key).map { !self[$0].key.isExactly(key) } ?? false
  }
}

extension Set<String> {
  /// Whether there is an element of exactly these bytes.
  package func contains(exactly name: String) -> Bool {
    firstIndex(of: name).map { self[$0].isExactly(name) } ?? false
  }
}
