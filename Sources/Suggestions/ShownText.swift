/// What a file says, in a message: at most its first scalars, as names and lists may have megabytes.
package func abbreviated(_ text: String, limit: Int = 200) -> String {
  guard text.utf8.count > limit else { return text }
  let start = text.unicodeScalars.prefix(limit)
  return start.endIndex == text.endIndex ? text : String(start) + "…"
}

/// The first eight of the names of a file, each in quotes, and how many there are besides, for messages.
package func quotedNames(_ names: [String]) -> String {
  let shown = names.prefix(8).map { "'\(abbreviated($0))'" }.joined(separator: ", ")
  return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
}

/// The first eight of the shapes or numbers of a file, and how many there are besides, for messages.
package func firstItems(_ items: [String], separator: String = ", ") -> String {
  let shown = items.prefix(8).joined(separator: separator)
  return items.count > 8 ? "\(shown)\(separator)\(items.count - 8) more" : shown
}

/// A word that a POSIX shell reads as this text, for commands in messages: names come from files, and people copy
/// commands.
package func shellWord(_ text: String) -> String {
  let isBare = text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"),
      UInt8(ascii: ":"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
  if isBare, !text.isEmpty { return text }
  var result = "'"
  for scalar in text.unicodeScalars {
    if scalar == "'" { result += "'\\''" } else { result.unicodeScalars.append(scalar) }
  }
  return result + "'"
}
