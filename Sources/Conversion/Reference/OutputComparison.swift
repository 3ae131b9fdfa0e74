import Fidelity
import Files

/// Compares two files of stored outputs, from any source, without running a network.
package struct OutputComparison {
  /// The path of the outputs to judge.
  package var outputs: String
  /// The path of the outputs that they are compared with.
  package var reference: String
  /// The path of a text file with the class index of each row of the reference, one a line; `nil` if classes are
  /// unknown.
  package var labels: String?
  /// Whether rows that only one file has are left out of the comparison, instead of being an error.
  package var allowsMissing = false
  /// How matches are decided, to compare the decisions of both files; `nil`: they are not compared.
  package var decisionRule: DecisionRule?
  /// The number of threads; results do not depend on it.
  package var threads = 1

  /// - Parameters:
  ///   - outputs: the path of the outputs to judge, a safetensors or .npy file.
  ///   - reference: the path of the outputs that they are compared with.
  package init(outputs: String, reference: String) {
    self.outputs = outputs
    self.reference = reference
  }

  /// Compares the files.
  ///
  /// - Throws: `CheckpointError` or `FileError` where a file cannot be read; `ConversionError.wrongKind` where a file
  ///   has no such outputs, or the rows of the two do not belong together, and `.option` for a decision rule that does
  ///   not fit them; `FileError` where the labels cannot be read; `FidelityError` where the widths of the
  ///   two differ.
  package func run(gates: Gates) throws -> FidelityReport {
    let (actual, expected) = (try OutputFile(path: outputs), try OutputFile(path: reference))
    var notes: [String] = []
    let pairs = try RowMatching(actual, expected, allowsMissing: allowsMissing).pairs(&notes)
    let labels = try labels.map { try Self.labels($0, count: expected.count) }
    let usesLogits = actual.logits != nil && expected.logits != nil
    if (actual.logits != nil) != (expected.logits != nil) {
      let without = actual.logits == nil ? outputs : reference
      notes.append("\(without) contains no logits, so classes are not compared")
    }
    guard
      let vectors = [(actual.embeddings, expected.embeddings), (actual.logits, expected.logits)].first(where: {
        $0.0 != nil && $0.1 != nil
      }), let actualVectors = vectors.0, let expectedVectors = vectors.1
    else {
      throw ConversionError.wrongKind(
        "\(outputs) and \(reference) have no output in common: one has embeddings, the other logits")
    }
    if actual.embeddings == nil || expected.embeddings == nil {
      notes.append("not both files contain embeddings: drift is that of the logits")
    }
    let hasEmbeddings = actual.embeddings != nil && expected.embeddings != nil
    if decisionRule != nil, !hasEmbeddings {
      throw ConversionError.option(
        "--threshold and --false-match-rate need embeddings, but not both files contain them")
    }
    try decisionRule?.checkClasses(pairs.map { labels?[$0.expected] }, of: reference)
    let names = pairs.map { expected.name(ofRow: $0.expected) }
    let embeddings = hasEmbeddings ? NeighborEmbeddings(names: names) : nil
    var accumulator = FidelityAccumulator()
    for (index, pair) in pairs.enumerated() {
      let (float, int8) = (expectedVectors[pair.expected], actualVectors[pair.actual])
      let floatLogits = usesLogits ? expected.logits?[pair.expected] ?? [] : []
      let int8Logits = usesLogits ? actual.logits?[pair.actual] ?? [] : []
      embeddings?.add(index, name: names[index], label: labels?[pair.expected], float: float, int8: int8)
      accumulator.add(
        try ImageComparison(
          name: names[index], referenceEmbedding: float, quantizedEmbedding: int8, referenceLogits: floatLogits,
          quantizedLogits: int8Logits, label: labels?[pair.expected]))
    }
    var figures = accumulator.figures()
    figures.neighbors = try embeddings?.figures(decisionRule, threads: threads)
    var report = FidelityReport(
      figures: figures, gates: gates,
      package: .init(path: outputs, bytes: actual.byteCount, sha256: actual.sha256),
      reference: .init(
        path: reference, sha256: expected.sha256, format: expected.format, architecture: "stored outputs"))
    report.comparesStoredOutputs = true
    let hashes = pairs.compactMap { expected.hashes?[$0.expected] ?? actual.hashes?[$0.actual] }
    report.verification = RepeatedRows.images(hashes, named: FolderName.of(reference))
    report.warnings += [actual.evaluationDifference(from: expected)].compactMap(\.self)
    report.notes =
      ["the figures named 'float' are those of \(reference), and those named 'int8' of \(outputs)"] + notes
    return report
  }

  private static func labels(_ path: String, count: Int) throws -> [Int] {
    let lines = try TextFile.lines(path)
    let labels = lines.compactMap { line -> Int? in
      let words = line.split(whereSeparator: \.isWhitespace)
      return words.count == 1 ? Int(words[0]) : nil
    }
    guard labels.count == lines.count, labels.count == count else {
      throw ConversionError.wrongKind(
        "\(path): its \(lines.count) lines are not one class index for each of \(count) rows")
    }
    return labels
  }
}

/// Finds which rows of two files belong to the same image: by the hashes of the image files where both files have them,
/// otherwise by name, and otherwise by order.
private struct RowMatching {
  let actual: OutputFile
  let expected: OutputFile
  let allowsMissing: Bool

  init(_ actual: OutputFile, _ expected: OutputFile, allowsMissing: Bool) {
    (self.actual, self.expected, self.allowsMissing) = (actual, expected, allowsMissing)
  }

  func pairs(_ notes: inout [String]) throws -> [(actual: Int, expected: Int)] {
    let keys = [(actual.hashes, expected.hashes), (actual.names, expected.names)].first { $0.0 != nil && $0.1 != nil }
    guard let actualKeys = keys?.0, let expectedKeys = keys?.1 else {
      guard actual.count == expected.count else {
        throw ConversionError.wrongKind(
          "\(actual.path) has \(actual.count) rows and \(expected.path) has \(expected.count), and not both say which images "
            + "their rows belong to (metadata 'sha256' or 'files')")
      }
      notes.append("rows are compared in order, as not both files say which images their rows belong to")
      return (0..<expected.count).map { ($0, $0) }
    }
    if actual.hashes == nil || expected.hashes == nil {
      for file in [actual, expected] { try RepeatedRows.checkNames(of: file) }
    }
    let (a, b) = (Self.numbered(actualKeys), Self.numbered(expectedKeys))
    let positions = Dictionary(zip(a, a.indices), uniquingKeysWith: { first, _ in first })
    let missing = b.indices.filter { positions[b[$0]] == nil }
    let expectedSet = Set(b)
    let extra = a.indices.filter { !expectedSet.contains(a[$0]) }
    for (rows, holder, other) in [(missing, expected, actual), (extra, actual, expected)] where !rows.isEmpty {
      let names = rows.prefix(5).map { holder.name(ofRow: $0) }.joined(separator: ", ")
      let problem =
        "\(rows.count) of the \(holder.count) images of \(holder.path) \(rows.count == 1 ? "is" : "are") not in "
        + "\(other.path): \(names)\(rows.count > 5 ? ", …" : "")"
      guard allowsMissing else {
        throw ConversionError.wrongKind("\(problem); --allow-missing compares the images that both have")
      }
      notes.append(problem)
    }
    let pairs = b.indices.compactMap { row in positions[b[row]].map { (actual: $0, expected: row) } }
    guard !pairs.isEmpty else {
      throw ConversionError.wrongKind("\(actual.path) and \(expected.path) have no image in common")
    }
    return pairs
  }

  /// Numbers the occurrences of each key, as an image may occur several times.
  private static func numbered(_ keys: [String]) -> [Key] {
    var counts: [ExactName: Int] = [:]
    return keys.map { key in
      let name = ExactName(key)
      counts[name, default: 0] += 1
      return Key(name: name, occurrence: counts[name, default: 1])
    }
  }

  private struct Key: Hashable {
    let name: ExactName
    let occurrence: Int
  }
}
