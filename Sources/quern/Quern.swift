import ArgumentParser
import Conversion
import Files
import Kernels

/// The tool: one subcommand a file under `Commands/`.
@main
struct Quern: ParsableCommand {
  static let version = ToolVersion.current

  static let configuration = CommandConfiguration(
    commandName: "quern",
    abstract: "Grinds MultiGrain checkpoints into small int8 packages and proves that nothing was lost.",
    discussion: """
      Convert a checkpoint, calibrating on a folder of images:

        quern convert model.pth --calibration images/ -o model.quern

      The package is verified before it appears: embedding drift and top-1 agreement against the float network are held \
      to tolerances, and the exit status is 1 where one is exceeded.

      Exit status: 0 done and within tolerance; 1 a tolerance was exceeded; 64 usage; 65 bad input data; 66 missing \
      input; 70 internal error; 73 output cannot be created; 74 input/output error; 130, 143 interrupted.
      """,
    version: version,
    subcommands: [
      ConvertCommand.self, PlanCommand.self, VerifyCommand.self, AnalyzeCommand.self, CompareCommand.self,
      GoldenCommand.self,
      EmbedCommand.self,
      ClassifyCommand.self,
      InspectCommand.self,
      ExportCommand.self, BenchCommand.self,
    ])

  static func main() {
    AtomicFile.removeTemporariesOnSignals()
    ProcessMemory.returnWhenFreed()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Failure.exit(error)
    }
  }
}
