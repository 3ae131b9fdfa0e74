import DebianPackages
import Fidelity
import Files
import PackageFormat
import PrintableText

/// A Debian package with the weights of a Quern package.
package struct DebianWeights: Sendable {
  /// What can run the weights: the C library, by its SONAME, or the tool. One of them must be installed.
  package static let dependencies = "libquern0 | quern"
  /// Where weights are installed.
  package static let folder = "usr/share/quern/models"
  /// The time of files where none is given: 1 January 2026. The clock is never asked, so that the bytes depend only on
  /// the input.
  package static let defaultTime = 1_767_225_600

  /// What the Debian package is called, and who answers for it.
  package struct Options: Sendable {
    package var name: DebianName
    package var version: DebianVersion
    package var maintainer: DebianMaintainer
    /// The licence; `nil` for the one that the package states.
    package var license: PackageLicense?
    /// Who holds the copyright of the weights; `nil` for the authors of the checkpoint.
    package var copyright: DebianCopyright?
    /// The time of files in seconds since 1970.
    package var time = DebianWeights.defaultTime

    package init(name: DebianName, version: DebianVersion, maintainer: DebianMaintainer) {
      (self.name, self.version, self.maintainer) = (name, version, maintainer)
    }
  }

  /// The package, ready to be encoded.
  package let package: DebianPackage
  /// The path of the weights in the target system.
  package let installedPath: String
  /// What the user should know, such as that the package failed its gates.
  package let warnings: [String]

  /// Reads a Quern package and verifies every hash of it.
  ///
  /// - Parameters:
  ///   - path: the path of the Quern package.
  ///   - options: the fields of the Debian package.
  ///   - threads: how many threads verify hashes.
  /// - Throws: `ConversionError.package` where the file is not a package or damaged, or states figures of another
  ///   package or a report that is not valid, `.option` where neither it nor the options state a licence; `FileError`
  ///   where it cannot be read.
  package init(path: String, options: Options, threads: Int) throws {
    // Opened once: what is described is what is packed, whatever the path leads to by now.
    let file = try MappedFile(path: path)
    let hash = file.sha256().hex
    let reader: PackageReader
    do throws(PackageError) { reader = try PackageReader(storage: file.storage, path: path) } catch {
      throw ConversionError.package(path: path, error)
    }
    let inspection = try PackageInspection(reader, checks: true, threads: threads)
    guard let license = try options.license ?? reader.statedLicense() else {
      throw ConversionError.option(
        "\(path) states no licence, which the file 'copyright' needs; add --license with an SPDX expression such as "
          + "Apache-2.0, or a text file")
    }
    let contents = file.withBytes { Array($0) }
    let name = options.name.text
    let base = "\(Self.folder)/\(name).quern"
    installedPath = "/\(base)"
    var warnings: [String] = []
    var fidelity = inspection.sizes.map { size in
      guard let passed = size.passed else {
        if inspection.report != nil {
          warnings.append("\(path) states no fidelity at \(size.size) pixels, and the description says so")
        }
        return "\(size.size) px: \(PackageInspection.unverified)"
      }
      if !passed { warnings.append("\(path) failed its gates at \(size.size) pixels, and the description says so") }
      return Self.figures(size, passed: passed)
    }
    if let report = inspection.report {
      fidelity.append("verdict: \(report.verdict.rawValue)")
      if report.verdict == .inconclusive { fidelity += report.doubts.map { "  \($0)" } }
      if report.verdict != .pass, warnings.isEmpty {
        warnings.append("\(path) states the verdict '\(report.verdict.rawValue)', and the description says so")
      }
      if inspection.figures == .unknown {
        fidelity.append("the figures name no package that they were measured on")
        warnings.append(
          "the figures of \(path) name no package that they were measured on, and the description says so")
      }
    } else {
      warnings.append("\(path) states no fidelity, and the description says so")
    }
    self.warnings = warnings
    let hashes = ["Content hash and SHA-256 of the file:", "  \(inspection.contentHash)", "  \(hash)"]
    package = DebianPackage(
      name: options.name, version: options.version, maintainer: options.maintainer, dependencies: Self.dependencies,
      synopsis: "int8 weights of \(Self.plain(inspection.architecture)) for image embedding",
      explanation: Self.wrapped(
        "A Quern package with the weights of \(Self.plain(inspection.architecture)), quantised to int8. It makes "
          + "embeddings of \(inspection.embeddingDimension) dimensions"
          + (inspection.classes > 0 ? " and tells \(inspection.classes) classes apart" : "")
          + ". Programs open it with libquern as /\(base).")
        + ["", "Fidelity, compared with the float network (\(PackageInspection.unsigned)):"]
        + fidelity.map { "  \($0)" } + [""] + hashes,
      change: "Weights with the content hash\n    \(inspection.contentHash)",
      copyright: Self.copyright(options, license, inspection),
      files: [
        DebianPackage.File(path: base, contents: contents),
        DebianPackage.File(path: "\(base).sha256", contents: Array("\(hash)  \(name).quern\n".utf8)),
      ], time: options.time)
  }

  private static func figures(_ size: PackageInspection.Size, passed: Bool) -> String {
    var parts = ["\(passed ? "passed" : "FAILED") on \(size.images ?? 0) images"]
    if let drift = size.meanDrift { parts.append("mean drift \(rounded(drift, places: 5))") }
    if let agreement = size.top1Agreement { parts.append("top-1 agreement \(rounded(agreement, places: 2)) %") }
    return "\(size.size) px: " + parts.joined(separator: ", ")
  }

  private static func rounded(_ value: Double, places: Int) -> String {
    var factor = 1.0
    for _ in 0..<places { factor *= 10 }
    return "\((value * factor).rounded() / factor)"
  }

  /// The start of a name, on one line.
  ///
  /// - Parameter limit: the number of characters.
  private static func plain(_ text: String, limit: Int = 40) -> String {
    // No name has more scalars in so many characters, so that no more than these are escaped.
    String(printable(String(Substring(text.unicodeScalars.prefix(32 * limit)))).prefix(limit))
  }

  private static func copyright(_ options: Options, _ license: PackageLicense, _ inspection: PackageInspection)
    -> String
  {
    let source = inspection.metadata?.source
    // The package's maker can write anything there.
    let checkpoint =
      source.map { "\($0.name.map { "\(plain($0)), " } ?? "")SHA-256 \(plain($0.sha256, limit: 64))" } ?? "unknown"
    return """
      Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
      Comment:
       The weights were converted from a checkpoint (\(checkpoint)).

      Files: *
      Copyright: \(options.copyright?.text ?? "the authors of the checkpoint")
      \(license.debianField)

      """
  }

  /// The lines of a paragraph, of at most 79 characters.
  private static func wrapped(_ text: String) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + word.count < 79 {
        lines[lines.count - 1] = last.isEmpty ? String(word) : "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
