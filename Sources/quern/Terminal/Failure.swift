import ArgumentParser
import Checkpoints
import Configuration
import Conversion
import DebianPackages
import Fidelity
import Files
import Glibc
import Graphs
import Images
import LinearAlgebra
import ModelExport
import ModelImport
import NeighbourSearch
import PackageDelta
import PackageFormat
import Pixels
import PrintableText
import Reports
import Retrieval
import Signing
import Threads

/// Maps errors to messages and to exit statuses, which follow sysexits(3). No other code chooses an exit status.
enum Failure {
  static let gateFailed: Int32 = 1
  static let usage: Int32 = 64
  static let badData: Int32 = 65
  static let missingInput: Int32 = 66
  static let internalError: Int32 = 70
  static let noMemory: Int32 = 71
  static let cannotCreate: Int32 = 73
  static let inputOutput: Int32 = 74

  /// Whether errors are printed on stdout, too, as JSON.
  private static let printsJSON = Mutex(false)

  /// Prints errors on stdout, too, as JSON, if a command line has --json.
  static func printJSON(if arguments: [String]) {
    if arguments.prefix(while: { $0 != "--" }).contains("--json") { printsJSON.withLock { $0 = true } }
  }

  /// Prints the error on stderr and ends the process with the error's status.
  static func exit(_ error: any Error) -> Never {
    let error = cause(of: error)
    let code = Quern.exitCode(for: error)
    if error is ExitCode { exit(status: code.rawValue) }
    if code == .success {
      Terminal.print(Quern.fullMessage(for: error))
      exit(status: code.rawValue)
    }
    if code == .validationFailure {
      // The argument parser words usage errors.
      Terminal.explain(Quern.fullMessage(for: error))
      printJSON(error, message: Quern.message(for: error), code: usage)
      exit(status: usage)
    }
    let message = status(of: error) == nil ? printable(Quern.message(for: error)) : printable(error)
    let status = exitStatus(of: error)
    Terminal.complain("error: \(message)")
    printJSON(error, message: message, code: status)
    exit(status: status)
  }

  /// The change of an input that explains an error, or else the error. What is read of a file while it is rewritten
  /// looks like damage, or like a defect of the tool.
  private static func cause(of error: any Error) -> any Error {
    guard !(error is ExitCode), [badData, internalError].contains(exitStatus(of: error)) else { return error }
    do { try InputFiles.checkUnchanged() } catch {
      if case .changed = error { return error }
    }
    return error
  }

  private static func exitStatus(of error: any Error) -> Int32 {
    let code = Quern.exitCode(for: error)
    return status(of: error) ?? (code == .failure ? internalError : code.rawValue)
  }

  /// Prints an error as JSON, unless a result has been printed: stdout has one object.
  private static func printJSON(_ error: any Error, message: String, code: Int32) {
    guard printsJSON.withLock(\.self), !Terminal.hasPrinted,
      let text = try? JSONText.encode(ErrorReport(error, message: message, code: code))
    else { return }
    Terminal.print(text)
  }

  /// Ends the process. Where stdout did not take what was printed, the status is that of an input/output error;
  /// where a result is based on an input that was changed meanwhile, that of bad data.
  static func exit(status: Int32) -> Never {
    var status = status
    if status == 0 || status == 1 {
      do { try InputFiles.checkUnchanged() } catch {
        Terminal.complain("error: \(printable(error))")
        status = error.kind.rawValue
        printJSON(error, message: "\(error)", code: status)
      }
    }
    if let problem = Terminal.closeOutput() {
      Terminal.complain("error: stdout: cannot be written: \(problem)")
      Glibc.exit(inputOutput)
    }
    Glibc.exit(status)
  }

  /// Whether an error says that the system failed, and nothing about the input.
  static func isOfSystem(_ error: any Error) -> Bool {
    status(of: error).map { [inputOutput, noMemory].contains($0) } ?? false
  }

  /// The exit status; `nil` for errors that no module declares, which are defects.
  private static func status(of error: any Error) -> Int32? {
    switch error {
    case let error as FileError: error.kind.rawValue
    case let error as CheckpointError: error.kind.rawValue
    case let error as PackageError: error.kind.rawValue
    case let error as PatchError: error.kind.rawValue
    case let error as DebianError: if case .invalidField = error { usage } else { badData }
    case let error as ImageError: status(ofImage: error)
    case is ExportError: badData
    case is UsageError: usage
    case let error as OutputError: if case .cannotCreate(let error) = error { error.kind.rawValue } else { usage }
    case let error as ImportError: if case .option = error { usage } else { badData }
    case let error as GraphError: status(ofGraph: error)
    case is PlanError, is StageStoreError, is ConfigurationError: badData
    case let error as ConversionError: status(ofConversion: error)
    case let error as EmbeddingError: error.kind.rawValue
    case let error as KeyError: error.kind.rawValue
    case let error as SignatureError: error.problem.isMismatch ? gateFailed : badData
    case is FidelityError, is ReportError: badData
    case let error as RetrievalError: if case .option = error { usage } else { badData }
    case is LinearAlgebraError: badData
    default: nil
    }
  }

  private static func status(ofImage error: ImageError) -> Int32 {
    switch error.underlying {
    case .system(_, let number): [ENOENT, ENOTDIR, EACCES, EPERM].contains(number) ? missingInput : inputOutput
    case .notAFolder, .notARegularFile, .noImages: missingInput
    case .invalidGeometry: usage
    case .outOfMemory: noMemory
    default: badData
    }
  }

  private static func status(ofGraph error: GraphError) -> Int32 {
    switch error {
    case .at(_, let inner), .after(_, let inner): status(ofGraph: inner)
    case .inputSize: usage
    case .memory: noMemory
    default: badData
    }
  }

  private static func status(ofConversion error: ConversionError) -> Int32 {
    switch error {
    case .option: usage
    case .package(_, let error): error.kind.rawValue
    case .notEquivalent, .kernelsDisagree: internalError
    case .missingImages: missingInput
    case .writtenDiffers: inputOutput
    case .brokenImages, .noUsableImages, .notFinite, .unsuitableFactors, .wrongKind: badData
    }
  }
}
