import CQuern
import Files
import Graphs
import Inference
import PackageFormat

extension Failure {
  /// The failure that an error of `Inference` is to callers.
  init(_ error: InferenceError) {
    let status =
      switch error {
      case .package(let error): Failure.status(of: error)
      case .graph(let error): Failure.status(of: error)
      case .image: QUERN_ERROR_IMAGE_SIZE
      case .noWeights, .noPooling: QUERN_ERROR_NOT_AVAILABLE
      case .memory: QUERN_ERROR_OUT_OF_MEMORY
      }
    self.init(status, "\(error)")
  }

  private static func status(of error: PackageError) -> quern_status {
    switch error {
    case .file(let error): status(of: error)
    case .memory: QUERN_ERROR_OUT_OF_MEMORY
    case .newerVersion, .unknownObligations, .unknownCriticalSection: QUERN_ERROR_UNSUPPORTED
    // A graph that comes from a package is the package's fault.
    case .graph(let error): error.isUnknownOperator ? QUERN_ERROR_UNSUPPORTED : QUERN_ERROR_BAD_DATA
    default: QUERN_ERROR_BAD_DATA
    }
  }

  private static func status(of error: FileError) -> quern_status {
    switch error {
    case .notFound: QUERN_ERROR_NOT_FOUND
    case .empty, .lfsPointer: QUERN_ERROR_BAD_DATA
    case .outOfRange: QUERN_ERROR_INVALID_ARGUMENT
    default: QUERN_ERROR_IO
    }
  }

  private static func status(of error: GraphError) -> quern_status {
    switch error {
    case .memory: QUERN_ERROR_OUT_OF_MEMORY
    case .inputSize, .shape: QUERN_ERROR_IMAGE_SIZE
    case .attribute: QUERN_ERROR_INVALID_ARGUMENT
    case .unknownOperator: QUERN_ERROR_UNSUPPORTED
    case .constant, .structure: QUERN_ERROR_BAD_DATA
    case .at(_, let error), .after(_, let error): status(of: error)
    }
  }
}

extension GraphError {
  fileprivate var isUnknownOperator: Bool {
    switch self {
    case .unknownOperator: true
    case .at(_, let error), .after(_, let error): error.isUnknownOperator
    default: false
    }
  }
}
