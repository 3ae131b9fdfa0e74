import Files
import PackageDelta
import PackageFormat

/// What differs between two packages. Encoded, it is the output of `quern diff --json`.
package struct PackageDifference: Encodable, Sendable {
  /// One of the packages.
  package struct File: Encodable, Sendable {
    /// The path of the file, as it was given.
    package let path: String
    /// The size of the file in bytes.
    package let bytes: Int
    /// SHA-256 of the file in hexadecimal digits.
    package let sha256: String
    /// The content hash in hexadecimal digits.
    package let contentHash: String
    /// The verdict that the package states, with what leaves it open; `nil` where it was not verified.
    package let verdict: String?
  }

  /// The sections of one kind.
  package struct Section: Encodable, Sendable {
    /// The kind, such as "graph" or "tensor".
    package let section: String
    /// The size in bytes as stored, in each package.
    package let oldBytes, newBytes: Int
    /// The size in bytes without compression, in each package.
    package let oldContentBytes, newContentBytes: Int
    /// Whether the contents differ.
    package let differs: Bool
  }

  /// A class that has another name.
  package struct Label: Encodable, Sendable {
    /// The index of the class in the logits.
    package let index: Int
    /// The names; `nil` where a package has none for this class.
    package let old, new: String?
  }

  /// The measured fidelity that the packages state for one size.
  package struct Fidelity: Encodable, Sendable {
    /// The side of images in pixels.
    package let size: Int
    /// What each package states; `nil` where it was not converted for this size.
    package let old, new: PackageInspection.Size?
  }

  let schema = "quern.diff/1"
  /// The older package.
  package let old: File
  /// The newer package.
  package let new: File
  /// Whether the contents of all sections are equal. Compression alone is no difference.
  package let isSame: Bool
  /// What differs in sizes, preprocessing, outputs and origin.
  package let properties: [PropertyChange]
  /// The classes whose names differ.
  package let labels: [Label]
  /// What differs in the graph.
  package let graph: GraphDifference
  /// The constants that both packages have with the same type and shape, and that differ in elements.
  package let constants: [ConstantDifference]
  /// The number of constants that both packages have with the same type and shape.
  package let comparedConstants: Int
  /// The number of int8 levels in `constants` and in those that are equal.
  package let levels: Int
  /// The number of int8 levels that differ.
  package let differingLevels: Int
  /// The sections by kind.
  package let sections: [Section]
  /// The measured fidelity that the packages state, by size.
  package let fidelity: [Fidelity]

  /// Compares two packages, after verifying every hash of both.
  ///
  /// - Parameters:
  ///   - old: the path of the older package.
  ///   - new: the path of the newer package.
  ///   - threads: how many threads verify hashes and compare constants.
  /// - Throws: `ConversionError.package` where a file is not a package or damaged, or states figures of another package
  ///   or a report that is not valid.
  package init(old oldPath: String, new newPath: String, threads: Int) throws {
    let (oldReader, newReader) = (try PackageReader.opening(oldPath), try PackageReader.opening(newPath))
    // The hashes of both files are stated, and taken before the files are used.
    for reader in [oldReader, newReader] { _ = reader.sha256() }
    let (before, after) = (
      try PackageInspection(oldReader, checks: true, threads: threads),
      try PackageInspection(newReader, checks: true, threads: threads)
    )
    old = File(before, oldReader)
    new = File(after, newReader)
    isSame = oldReader.identities == newReader.identities
    graph = GraphDifference(old: oldReader.graph, new: newReader.graph)
    let all: [ConstantDifference]
    do throws(PackageError) {
      all = try ConstantDifference.all(old: oldReader, new: newReader, threads: threads)
    } catch {
      throw ConversionError.package(path: newPath, error)
    }
    constants = all.filter { $0.differing > 0 }
    comparedConstants = all.count
    levels = all.levels.reduce(0) { $0 + $1.elements }
    differingLevels = all.levels.reduce(0) { $0 + $1.differing }
    properties = Self.properties(before, after)
    labels = Self.labels(oldReader.labels, newReader.labels)
    sections = Self.sections(oldReader, newReader)
    let sizes = Set(before.sizes.map(\.size)).union(after.sizes.map(\.size)).sorted()
    fidelity = sizes.map { side in
      Fidelity(size: side, old: before.sizes.first { $0.size == side }, new: after.sizes.first { $0.size == side })
    }
  }

  private static func properties(_ old: PackageInspection, _ new: PackageInspection) -> [PropertyChange] {
    func sizes(_ inspection: PackageInspection) -> String {
      inspection.sizes.map { "\($0.size):\($0.poolingExponent)" }.joined(separator: ", ")
    }
    let (before, after) = (old.metadata, new.metadata)
    return [
      PropertyChange("format version", old.formatVersion, new.formatVersion),
      PropertyChange("sizes", sizes(old), sizes(new)),
      PropertyChange("crop", old.crop, new.crop),
      PropertyChange("resize", old.resize, new.resize),
      PropertyChange("crop ratio", "\(old.cropRatio)", "\(new.cropRatio)"),
      PropertyChange("embedding", "\(old.embeddingDimension)", "\(new.embeddingDimension)"),
      PropertyChange("classes", "\(old.classes)", "\(new.classes)"),
      PropertyChange("licence", old.license, new.license),
      PropertyChange("checkpoint", before?.source.name, after?.source.name),
      PropertyChange("checkpoint sha256", before?.source.sha256, after?.source.sha256),
      PropertyChange("plan sha256", before?.planSHA256, after?.planSHA256),
      PropertyChange("made by", before?.toolVersion, after?.toolVersion),
      PropertyChange("calibrated on", before?.calibrationSet?.name, after?.calibrationSet?.name),
      PropertyChange("calibrated on sha256", before?.calibrationSet?.sha256, after?.calibrationSet?.sha256),
    ].compactMap(\.self)
  }

  private static func labels(_ old: [String], _ new: [String]) -> [Label] {
    (0..<max(old.count, new.count)).compactMap { index in
      let (before, after) = (
        old.indices.contains(index) ? old[index] : nil, new.indices.contains(index) ? new[index] : nil
      )
      let isSame = before.map(ExactName.init) == after.map(ExactName.init)
      return isSame ? nil : Label(index: index, old: before, new: after)
    }
  }

  private static func sections(_ old: PackageReader, _ new: PackageReader) -> [Section] {
    var kinds: [SectionKind] = []
    for entry in old.sections + new.sections where !kinds.contains(entry.kind) { kinds.append(entry.kind) }
    return kinds.sorted { $0.rawValue < $1.rawValue }.map { kind in
      let (before, after) = (old.sections.filter { $0.kind == kind }, new.sections.filter { $0.kind == kind })
      return Section(
        section: "\(kind)", oldBytes: before.reduce(0) { $0 + $1.storedLength },
        newBytes: after.reduce(0) { $0 + $1.storedLength }, oldContentBytes: before.reduce(0) { $0 + $1.rawLength },
        newContentBytes: after.reduce(0) { $0 + $1.rawLength }, differs: before.map(\.rawHash) != after.map(\.rawHash))
    }
  }
}

extension PackageDifference.File {
  fileprivate init(_ inspection: PackageInspection, _ reader: PackageReader) {
    (path, bytes, contentHash) = (inspection.path, inspection.bytes, inspection.contentHash)
    verdict = inspection.statedVerdict
    sha256 = reader.sha256().hex
  }
}

extension PackageReader {
  /// The kind and the hash of the contents of each section.
  fileprivate var identities: [[UInt8]] { sections.map { [$0.kind.rawValue] + $0.rawHash.bytes } }
}

extension [ConstantDifference] {
  /// The constants of int8 levels.
  fileprivate var levels: [ConstantDifference] { filter { $0.elementType == "int8" } }
}
