import ArgumentParser
import Conversion
import Files
import Glibc
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

      Exit status: 0 done, and within tolerance; 1 a gate, the golden check or a self-test failed; 64 usage error; \
      65 bad input data; 66 missing input; 69 /proc is missing; 70 internal error; 73 an output cannot be \
      created; 74 input/output error; 130, 143 interrupted.
      """,
    version: version,
    subcommands: [
      ConvertCommand.self, PlanCommand.self, VerifyCommand.self, AnalyzeCommand.self, CompareCommand.self,
      GoldenCommand.self, WhitenCommand.self, TuneCommand.self, EvaluateCommand.self, EmbedCommand.self,
      ClassifyCommand.self, InspectCommand.self, DiffCommand.self, PatchCommand.self, DebCommand.self,
      ExportCommand.self, BenchCommand.self, SelftestCommand.self,
    ])

  static func main() {
    AtomicFile.removeTemporariesOnSignals()
    ProcessMemory.returnWhenFreed()
    // Swift reads the arguments from a file. Without it, every command would only print the overview.
    if CommandLine.arguments.isEmpty {
      Terminal.complain("error: cannot read the arguments of the command, because /proc is not mounted")
      Glibc.exit(Failure.unavailable)
    }
    do {
      let commandLine = try ConfiguredCommandLine(Array(CommandLine.arguments.dropFirst()))
      if let note = commandLine.note { Terminal.note(note) }
      var command = try parseAsRoot(commandLine.arguments)
      try command.run()
    } catch {
      Failure.exit(error)
    }
  }
}
