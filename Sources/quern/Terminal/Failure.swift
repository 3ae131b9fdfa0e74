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
import Reports
import Retrieval

/// Maps errors to messages and to exit statuses, which follow sysexits(3). No other code chooses an exit status.
enum Failure {
  static let usage: Int32 = 64
  static let badData: Int32 = 65
  static let missingInput: Int32 = 66
  static let unavailable: Int32 = 69
  static let internalError: Int32 = 70
  static let cannotCreate: Int32 = 73
  static let inputOutput: Int32 = 74

  /// Prints the error on stderr and ends the process with the error's status.
  static func exit(_ error: any Error) -> Never {
    // The argument parser prints help, the version and usage errors itself.
    if error is ExitCode || Quern.exitCode(for: error) == .validationFailure || Quern.exitCode(for: error) == .success {
      Quern.exit(withError: error)
    }
    guard let status = status(of: error) else {
      if Quern.exitCode(for: error) != .failure { Quern.exit(withError: error) }
      Terminal.complain("error: \(printable(Quern.message(for: error)))")
      Glibc.exit(internalError)
    }
    Terminal.complain("error: \(printable(error))")
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
    case is OutputError: usage
    case let error as ImportError: if case .option = error { usage } else { badData }
    case let error as GraphError: status(ofGraph: error)
    case is PlanError, is StageStoreError, is ConfigurationError: badData
    case let error as ConversionError: status(ofConversion: error)
    case let error as EmbeddingError: error.kind.rawValue
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
    default: badData
    }
  }

  private static func status(ofGraph error: GraphError) -> Int32 {
    switch error {
    case .at(_, let inner), .after(_, let inner): status(ofGraph: inner)
    case .inputSize: usage
    default: badData
    }
  }

  private static func status(ofConversion error: ConversionError) -> Int32 {
    switch error {
    case .option: usage
    case .package(_, let error): error.kind.rawValue
    case .notEquivalent, .kernelsDisagree: internalError
    case .missingImages: missingInput
    case .brokenImages, .noUsableImages, .notFinite, .wrongKind: badData
    }
  }
}
