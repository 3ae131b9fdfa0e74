import ArgumentParser
import CProcess
import Conversion
import Files
import Glibc
import Images
import Kernels

/// The command-line tool, with one file for each subcommand under `Commands/`.
@main
struct Quern: ParsableCommand {
  static let version = ToolVersion.current

  static let configuration = CommandConfiguration(
    commandName: "quern",
    abstract: "Convert image-embedding networks to small int8 packages, and measure what was lost.",
    discussion: """
      Quern reads PyTorch, ONNX, safetensors and MindSpore checkpoints and quantises them to int8. It compares every \
      package with the float network on images and gates embedding drift and top-1 agreement; the exit status is 1 if \
      a gate fails.

      Convert a checkpoint, calibrating on a folder of images:
        quern convert model.pth --calibration photos/ -o model.quern

      Compare the package with the checkpoint again, on other images:
        quern verify model.quern --reference model.pth --images validation/

      Exit status: 0 done, and within tolerance; 1 a gate, the golden check, a self-test or a signature \
      failed; 64 usage error; 65 bad input data, or an input that was changed meanwhile; 66 missing input; \
      70 internal error; 71 not enough memory; 73 an output cannot be created; 74 input/output error, also of stdout; \
      above 128 ended by a signal: 129 SIGHUP, 130 SIGINT, 141 SIGPIPE, 143 SIGTERM, 152 SIGXCPU.
      """,
    version: version,
    subcommands: [
      ConvertCommand.self, PlanCommand.self, VerifyCommand.self, AnalyzeCommand.self, CompareCommand.self,
      CompareEffortsCommand.self, GoldenCommand.self, WhitenCommand.self, TuneCommand.self, EvaluateCommand.self,
      EmbedCommand.self,
      SearchCommand.self, ClassifyCommand.self, InspectCommand.self, SignCommand.self, DiffCommand.self,
      PatchCommand.self, DebCommand.self, ExportCommand.self, BenchCommand.self, SelftestCommand.self,
    ])

  static func main() {
    quern_prepare_process()
    AtomicFile.removeTemporariesOnSignals()
    MappedFile.explainBusErrors(status: Failure.inputOutput)
    quern_explain_lack_of_memory(Failure.noMemory, removeTemporaries)
    ProcessMemory.returnWhenFreed()
    InputFiles.watch()
    ImageContents.watch()
    do {
      // Bytes that are not UTF-8 are replaced here, so that an error about them knows of --json, too.
      let arguments = (1..<max(quern_argument_count(), 1)).map { String(cString: quern_argument($0)) }
      Failure.printJSON(if: arguments)
      try checkEncoding()
      let commandLine = try ConfiguredCommandLine(arguments)
      if let note = commandLine.note { Terminal.note(note) }
      Failure.printJSON(if: commandLine.arguments)
      var command = try parse(commandLine.arguments)
      try command.run()
    } catch {
      Failure.exit(error)
    }
    Failure.exit(status: 0)
  }

  /// Refuses arguments whose bytes a `String` does not keep, as their names would be those of other files, and those
  /// that no output can hold.
  ///
  /// - Throws: `UsageError` for the first argument that is not a text (`String.init(ofFile:)`), in any locale.
  private static func checkEncoding() throws {
    for number in 1..<max(quern_argument_count(), 1) {
      guard let argument = quern_argument(number) else { continue }
      let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
      if String(ofFile: bytes) == nil { throw UsageError(notText: bytes, number: Int(number)) }
    }
  }

  /// - Throws: `UsageError` for a misspelt command or option, and what the argument parser throws.
  private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
    // The parser answers this with its general help, and success.
    if arguments.first == "help", let problem = try UsageAdvice(arguments).problem { throw problem }
    do {
      return try parseAsRoot(arguments)
    } catch  where exitCode(for: error) == .validationFailure {
      let advice = try UsageAdvice(arguments)
      if let problem = advice.problem { throw problem }
      return try parseAsRoot(advice.withNegativeNumbers)
    }
  }

  /// Runs where no command is named.
  func run() throws { throw ValidationError("a command is missing") }
}

/// Called on the thread that lacks memory. A closure in `main` would belong to the main actor, and trap on others.
private func removeTemporaries() { TemporaryFiles.removeAll() }
