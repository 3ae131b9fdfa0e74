import Checkpoints

/// The values of a model during translation, by their names in the model. Initialisers are those of the model, and not
/// copied with the others.
struct ONNXValues {
  private let initializers: NamedTensors
  /// The values that were set; `nil` for those that were removed.
  private var changed: [String: ONNXValue?] = [:]

  init(_ initializers: NamedTensors) { self.initializers = initializers }

  subscript(name: String) -> ONNXValue? {
    get {
      if let value = changed[name] { return value }
      return initializers[name].map { .constant($0) }
    }
    set { changed.updateValue(newValue, forKey: name) }
  }
}
