/// Finds the names of a classifier's classes if a training script saved them alongside the tensors.
///
/// Scripts save a list of names, or a dictionary from names to indices or from indices to names, in one of the outer
/// dictionaries: torchvision's folders have `class_to_idx` and `classes`, Hugging Face's configurations `id2label` and
/// `label2id`, and OpenMMLab's files `CLASSES`.
struct ClassNames {
  private let pickle: Pickle

  private static let keys: Set<String> = [
    "class_to_idx", "idx_to_class", "classes", "class_names", "classnames", "CLASSES", "label_names", "labels",
    "id2label",
    "label2id",
  ]
  /// The maximum number of levels of dictionaries that are searched, of names in a list, and of bytes in a name.
  private static let (depthLimit, countLimit, nameLimit) = (3, 1 << 20, 1024)

  init(_ pickle: Pickle) { self.pickle = pickle }

  /// The names in the order of the classes; empty if there are none, or if two lists contradict each other.
  func found() -> [String] {
    var lists: Set<[String]> = []
    var seen = Seen()
    search(pickle.root, depth: 0, &lists, &seen)
    return lists.count == 1 ? lists.first ?? [] : []
  }

  /// The containers that were searched, and those that were taken for names: many others may refer to the same one.
  private struct Seen {
    var searched: Set<UInt32> = []
    var tried: Set<UInt32> = []
    /// The bytes of texts in the latter, which may have texts in common.
    var textBytes = 0
  }

  private func search(_ value: PickleValue, depth: Int, _ lists: inout Set<[String]>, _ seen: inout Seen) {
    guard depth < Self.depthLimit, case .dictionary(let position) = value, seen.searched.insert(position).inserted
    else { return }
    let flat = pickle.elements(position)
    // Two lists contradict each other, whatever others say.
    for index in stride(from: 0, to: flat.count - 1, by: 2) where lists.count < 2 {
      guard let key = name(flat[index]) else { continue }
      if Self.keys.contains(key), isNew(flat[index + 1], &seen), hasFewTexts(flat[index + 1], &seen),
        let names = names(flat[index + 1])
      {
        lists.insert(names)
      } else {
        search(flat[index + 1], depth: depth + 1, &lists, &seen)
      }
    }
  }

  /// Whether a list or dictionary has not been looked at.
  private func isNew(_ value: PickleValue, _ seen: inout Seen) -> Bool {
    switch value {
    case .list(let position), .tuple(let position): seen.tried.insert(position).inserted
    case .dictionary(let position): !seen.searched.contains(position) && seen.tried.insert(position).inserted
    default: true
    }
  }

  /// Whether the texts of a list or dictionary, with those of all before, are not much longer than the file.
  private func hasFewTexts(_ value: PickleValue, _ seen: inout Seen) -> Bool {
    switch value {
    case .list(let position), .tuple(let position), .dictionary(let position):
      for case .string(let text) in pickle.elements(position) { seen.textBytes += Int(text.count) }
      return seen.textBytes <= Pickle.textLimit(pickle.cursor.range.count)
    default: return true
    }
  }

  /// The names in a list, or in a dictionary that relates them to all indices from 0 on; `nil` for anything else.
  private func names(_ value: PickleValue) -> [String]? {
    var names: [String] = []
    switch value {
    case .list(let position), .tuple(let position):
      let elements = pickle.elements(position)
      guard elements.count <= Self.countLimit, areDistinct(elements) else { return nil }
      names = elements.compactMap(name)
      guard names.count == elements.count else { return nil }
    case .dictionary(let position):
      let flat = pickle.elements(position)
      guard flat.count <= 2 * Self.countLimit else { return nil }
      let keys = stride(from: 0, to: flat.count - 1, by: 2)
      guard areDistinct(keys.map { flat[$0] }), areDistinct(keys.map { flat[$0 + 1] }) else { return nil }
      var byIndex: [Int: String] = [:]
      for index in stride(from: 0, to: flat.count - 1, by: 2) {
        guard let (number, text) = pair(flat[index], flat[index + 1]), byIndex.updateValue(text, forKey: number) == nil
        else { return nil }
      }
      names = (0..<byIndex.count).compactMap { byIndex[$0] }
      guard names.count == byIndex.count else { return nil }
    default: return nil
    }
    // If a name appeared twice, it would be undetermined which class a folder of that name stands for.
    return names.count > 1 && Set(names).count == names.count ? names : nil
  }

  /// Whether no two of the texts are the same bytes of the file, which would be copied for each.
  private func areDistinct(_ values: [PickleValue]) -> Bool {
    var starts: Set<UInt32> = []
    return values.allSatisfy { if case .string(let text) = $0 { starts.insert(text.start).inserted } else { true } }
  }

  private func pair(_ key: PickleValue, _ value: PickleValue) -> (Int, String)? {
    switch (key, value) {
    case (.int(let index), _): name(value).map { (index, $0) }
    case (_, .int(let index)): name(key).map { (index, $0) }
    // A dictionary that was stored as JSON has strings for indices.
    default: name(key).flatMap { Int($0) }.flatMap { index in name(value).map { (index, $0) } }
    }
  }

  private func name(_ value: PickleValue) -> String? {
    guard case .string(let text) = value, text.count <= Self.nameLimit else { return nil }
    return pickle.string(text)
  }
}
