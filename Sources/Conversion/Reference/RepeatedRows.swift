import Fidelity
import Files

/// Finds rows of stored outputs that are of the same image.
enum RepeatedRows {
  /// The images that rows are of, where some repeat others.
  ///
  /// - Parameters:
  ///   - hashes: the SHA-256 of each row's image file, in lower-case hexadecimal.
  ///   - name: the name of the set.
  /// - Returns: `nil` where every row is of another image.
  static func images(_ hashes: [String], named name: String) -> VerificationSet? {
    let repeated = hashes.count - Set(hashes.map(ExactName.init)).count
    guard repeated > 0 else { return nil }
    let lines = hashes.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { $0 + "\n" }
    let set = ImageSet(
      name: name, images: hashes.count, sha256: SHA256.hash(Array(lines.joined().utf8)).hex, duplicates: repeated)
    return VerificationSet(origin: .folder, set: set, overlapping: nil)
  }

  /// Checks that rows of one name are equal, as those of one image are: they are found by name.
  ///
  /// - Throws: `ConversionError.wrongKind` where they are not, or where there are no embeddings, by which repeated
  ///   images are counted.
  static func checkNames(of file: OutputFile) throws(ConversionError) {
    var rows: [ExactName: Int] = [:]
    for (row, text) in (file.names ?? []).enumerated() {
      let name = ExactName(text)
      guard let first = rows[name] else {
        rows[name] = row
        continue
      }
      guard let embeddings = file.embeddings, areEqual(embeddings, first, row),
        file.logits.map({ areEqual($0, first, row) }) ?? true
      else {
        throw .wrongKind(
          "\(file.path): two rows are of \(text), so that names do not tell which rows belong together: give each "
            + "image a name of its own, or state the hashes of the image files (metadata 'sha256')")
      }
    }
  }

  private static func areEqual(_ rows: FloatRows, _ a: Int, _ b: Int) -> Bool {
    rows[a].map(\.bitPattern) == rows[b].map(\.bitPattern)
  }
}
