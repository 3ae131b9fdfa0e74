import Checkpoints
import Configuration
import Conversion
import Files
import NeighbourSearch
import PackageDelta
import Pixels
import Reports
import Retrieval
import Signing

/// An error as JSON, which `--json` prints on stdout instead of a result.
struct ErrorReport: Encodable {
  static let schema = "quern.error/1"

  let schema: String
  /// The exit status.
  let code: Int32
  /// What happened and what to do, as on stderr.
  let message: String
  /// The file that the error is about, if there is one.
  let file: String?
  /// The line of a configuration file, from 1.
  let line: Int?

  init(_ error: any Error, message: String, code: Int32) {
    (schema, self.code, self.message) = (Self.schema, code, message)
    file = Self.file(of: error)
    line = (error as? ConfigurationError)?.line
  }

  private static func file(of error: any Error) -> String? {
    switch error {
    case let error as FileError: error.path
    case ImageError.at(let path, _): path
    case let error as ConfigurationError: error.path
    case let error as KeyError: error.path
    case PatchError.file(let error): error.path
    case PatchError.package(let path, _), PatchError.otherPackage(let path, _, _), PatchError.patch(let path, _): path
    case OutputError.cannotCreate(let error): error.path
    case RetrievalError.file(let path, _), RetrievalError.layout(_, let path, _): path
    case ReportError.notAReport(let path, _): path
    case PlanError.notAPlan(let path, _): path
    case let error as SignatureError: error.path
    case EmbeddingError.inFile(let path, _): path
    case ConversionError.package(let path, _), ConversionError.writtenDiffers(let path): path
    case ConversionError.noUsableImages(let folder, _): folder
    case CheckpointError.file(let error): error.path
    case CheckpointError.content(let path, _, _): path
    default: nil
    }
  }
}
