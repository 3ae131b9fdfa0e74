import ArgumentParser
import Files
import PackageDelta
import PackageFormat

struct PatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "patch",
    abstract: "Make and apply deltas between two packages.",
    discussion: """
      A patch holds what is needed to make a new package of an old one, section by section, such as the weights that \
      fine-tuning changed. It is checked against the hashes of both packages: it is applied only to the package that it \
      was made for, and the new package appears only if it has the promised SHA-256.

      Examples:
        quern patch make old.quern new.quern -o update.qpatch
        quern patch apply old.quern update.qpatch -o new.quern
      """,
    subcommands: [Make.self, Apply.self])

  struct Make: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "make",
      abstract: "Write a patch that makes one package of another.",
      discussion: """
        The patch is applied once in memory before it is written. Levels that conversion chose again differ even where \
        the checkpoint hardly changed; convert the new checkpoint with --plan and the plan of the old one for smaller \
        patches.

        Example:
          quern patch make old.quern new.quern -o update.qpatch
        """)

    @Argument(help: "The package that the patch will be applied to.", completion: .package)
    var old: String

    @Argument(help: "The package that the patch makes.", completion: .package)
    var new: String

    @Option(
      name: [.short, .long], help: ArgumentHelp("The patch to write.", valueName: "file.qpatch"),
      completion: .file(extensions: ["qpatch"]))
    var output: String

    @OptionGroup(title: "General options") var common: CommonOptions

    func run() throws {
      var outputs = OutputFiles()
      outputs.add("-o", output, .patch)
      try outputs.check(others: [old, new])
      let (before, after) = (try PackageReader.forPatch(old), try PackageReader.forPatch(new))
      let file = try AtomicFile(path: output)
      let patch = try PatchMaker.make(old: before, new: after, threads: common.threadCount)
      try file.write(patch.bytes)
      try file.commit()
      let report = Report(
        schema: "quern.patch/1", old: before.contentHash.hex, new: after.contentHash.hex, output: output,
        bytes: patch.bytes.count, newBytes: after.byteCount, sections: patch.figures)
      if common.json {
        Terminal.print(try JSONText.encode(report))
      } else if !common.quiet {
        Terminal.note("\(patch.bytes.count) bytes for a package of \(after.byteCount), written to \(output)")
        Terminal.note(report.summary)
      }
    }

    private struct Report: Encodable {
      let schema: String
      /// The content hashes of the packages.
      let old, new: String
      let output: String
      let bytes, newBytes: Int
      let sections: Patch.Figures

      var summary: String {
        let parts = [
          (sections.copied, "copied", 0), (sections.differences, "as differences", sections.differenceBytes),
          (sections.prefixed, "compressed by the old ones", sections.prefixedBytes),
          (sections.literal, "in full", sections.literalBytes),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" + ($0.2 > 0 ? " (\($0.2) bytes)" : "") }
        return "sections: " + parts.joined(separator: ", ")
      }
    }
  }

  struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "apply",
      abstract: "Make a new package of an old one and a patch.",
      discussion: """
        The exit status is 65 if the package is not the one that the patch was made for, or if the patch is damaged; no \
        package is then written.

        Example:
          quern patch apply old.quern update.qpatch -o new.quern
        """)

    @Argument(help: "The package that the patch was made for.", completion: .package)
    var old: String

    @Argument(help: "The patch.", completion: .file(extensions: ["qpatch"]))
    var patch: String

    @Option(
      name: [.short, .long], help: ArgumentHelp("The package to write.", valueName: "file.quern"), completion: .package)
    var output: String

    @Flag(
      help: ArgumentHelp(
        "Accept a package whose sections this version of libzstd compresses to other bytes than the version with which "
          + "the patch was made. Its content hash is still verified."))
    var acceptOtherCompression = false

    @OptionGroup(title: "General options") var common: CommonOptions

    func run() throws {
      var outputs = OutputFiles()
      outputs.add("-o", output, .package)
      try outputs.check(others: [old, patch])
      let applier = try PatchApplier(path: patch)
      let before = try PackageReader.forPatch(old)
      let layout = try applier.layout(
        old: before, acceptsOtherCompression: acceptOtherCompression, threads: common.threadCount)
      let file = try AtomicFile(path: output)
      try layout.write(to: file)
      try file.commit()
      let isExact = layout.summary.sha256 == applier.new.sha256
      if !isExact {
        common.warn(["the file's bytes differ from those that the patch promises, but not its content hash"])
      }
      if common.json {
        Terminal.print(
          try JSONText.encode(
            Report(
              schema: "quern.patch.apply/1", output: output, bytes: layout.summary.byteCount,
              sha256: layout.summary.sha256.hex, contentHash: layout.summary.contentHash.hex, isExact: isExact)))
      } else if !common.quiet {
        Terminal.note("\(layout.summary.byteCount) bytes written to \(output), content \(layout.summary.contentHash)")
      }
    }

    private struct Report: Encodable {
      let schema: String
      let output: String
      let bytes: Int
      let sha256: String
      let contentHash: String
      /// Whether the file has the SHA-256 that the patch promises.
      let isExact: Bool
    }
  }
}

extension PackageReader {
  /// Opens a package; errors name the file.
  fileprivate static func forPatch(_ path: String) throws(PatchError) -> PackageReader {
    do throws(PackageError) { return try open(path: path) } catch { throw .package(path: path, error) }
  }
}
