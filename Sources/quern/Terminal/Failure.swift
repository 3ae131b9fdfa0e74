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

  /// Prints the error on stderr and ends the process with the error's status.
  static func exit(_ error: any Error) -> Never {
    let code = Quern.exitCode(for: error)
    if error is ExitCode { exit(status: code.rawValue) }
    // The argument parser words help, the version and usage errors.
    if code == .validationFailure || code == .success {
      let text = Quern.fullMessage(for: error)
      if code == .success {
        Terminal.print(text)
      } else {
        Terminal.write((text + "\n").safeForTerminal, to: STDERR_FILENO)
      }
      exit(status: code.rawValue)
    }
    guard let status = status(of: error) else {
      Terminal.complain("error: \(printable(Quern.message(for: error)))")
      exit(status: code == .failure ? internalError : code.rawValue)
    }
    Terminal.complain("error: \(printable(error))")
    exit(status: status)
  }

  /// Ends the process. Where stdout did not take what was printed, the status is that of an input/output error;
  /// where a result is based on an input that was changed meanwhile, that of bad data.
  static func exit(status: Int32) -> Never {
    var status = status
    if status == 0 || status == 1 {
      do { try InputFiles.checkUnchanged() } catch {
        Terminal.complain("error: \(printable(error))")
        status = error.kind.rawValue
      }
    }
    if let problem = Terminal.closeOutput() {
      Terminal.complain("error: stdout: cannot be written: \(problem)")
      Glibc.exit(inputOutput)
    }
    Glibc.exit(status)
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
    case .brokenImages, .noUsableImages, .notFinite, .wrongKind: badData
    }
  }
}
