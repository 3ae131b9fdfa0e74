import ArgumentParser
import Conversion
import DebianPackages
import Files

struct DebCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deb",
    abstract: "Write a Debian package with the weights of a package.",
    discussion: """
      The weights are installed as /usr/share/quern/models/NAME.quern, next to a file for 'sha256sum --check'. The \
      description states the measured fidelity and the hashes, and /usr/share/doc/NAME/copyright the licence. The same \
      input and options give the same bytes: files are dated by the environment variable SOURCE_DATE_EPOCH, or \
      2026-01-01 without it.

      Example:
        quern deb r50.quern --name quern-weights-r50 --version 1.2.0 \\
          --maintainer 'Ada Lovelace <ada@example.org>' -o r50.deb
      """)

  @Argument(help: "A package.", completion: .package)
  var package: String

  @Option(help: ArgumentHelp("The name of the Debian package, such as quern-weights-r50.", valueName: "name"))
  var name: String

  @Option(
    name: .customLong("version"),
    help: ArgumentHelp("The version of the Debian package, [epoch:]upstream[-revision].", valueName: "version"))
  var packageVersion: String

  @Option(
    help: ArgumentHelp(
      "The maintainer, as in 'Ada Lovelace <ada@example.org>'. (default: the environment variables DEBFULLNAME and "
        + "DEBEMAIL)", valueName: "name"))
  var maintainer: String?

  @Option(
    name: .customLong("license"),
    help: ArgumentHelp(
      "The licence of the weights: an SPDX licence expression such as Apache-2.0, or a text file. Can be given twice, "
        + "for both. (default: the licence that the package states)", valueName: "SPDX|file"), completion: .file())
  var licenses: [String] = []

  @Option(
    help: ArgumentHelp(
      "Who holds the copyright, as in '2026 Example GmbH'. (default: the authors of the checkpoint)",
      valueName: "holder"))
  var copyright: String?

  @Option(
    name: [.short, .long], help: ArgumentHelp("The Debian package to write.", valueName: "file.deb"),
    completion: .file(extensions: ["deb"]))
  var output: String

  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    var options = DebianWeights.Options(
      name: try DebianName(name), version: try DebianVersion(packageVersion), maintainer: try parsedMaintainer())
    options.license = try LicenseOption.license(licenses)
    options.copyright = try copyright.map { try DebianCopyright($0) }
    options.time = try Environment.sourceDate() ?? DebianWeights.defaultTime
    var outputs = OutputFiles()
    outputs.add("-o", output, .debian)
    try outputs.check(models: [package], others: licenses)
    let weights = try DebianWeights(path: package, options: options, threads: common.threadCount)
    let bytes = try weights.package.encoded()
    let file = try AtomicFile(path: output)
    try file.write(bytes)
    try file.commit()
    common.warn(weights.warnings)
    if common.json {
      Terminal.print(
        try JSONText.encode(
          Report(
            schema: "quern.deb/1", output: output, bytes: bytes.count, sha256: SHA256.hash(bytes).hex, name: name,
            version: packageVersion, installedPath: weights.installedPath, warnings: weights.warnings)))
    } else if !common.quiet {
      Terminal.note("\(bytes.count) bytes written to \(output), which installs \(weights.installedPath)")
    }
  }

  private func parsedMaintainer() throws -> DebianMaintainer {
    if let maintainer { return try DebianMaintainer(maintainer) }
    guard let name = try Environment.value("DEBFULLNAME"), let address = try Environment.value("DEBEMAIL") else {
      throw ValidationError("give --maintainer 'NAME <ADDRESS>', or set DEBFULLNAME and DEBEMAIL")
    }
    return try DebianMaintainer("\(name) <\(address)>")
  }

  private struct Report: Encodable {
    let schema: String
    let output: String
    let bytes: Int
    let sha256: String
    let name: String
    let version: String
    let installedPath: String
    let warnings: [String]
  }
}
