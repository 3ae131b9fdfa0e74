extension DecodingError {
  /// What is wrong with a document, such as "it has no 'drift'".
  package var reason: String {
    switch self {
    case .dataCorrupted(let context): context.debugDescription
    case .keyNotFound(let key, _): "it has no '\(key.stringValue)'"
    default: "a value has another type than it should"
    }
  }
}
