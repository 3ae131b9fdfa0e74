import Graphs
import PackageFormat
import Pixels

/// Why a package cannot be opened, or images cannot be embedded.
package enum InferenceError: Error, Hashable, Sendable {
  /// The file cannot be opened or is not a package that can be run.
  case package(PackageError)
  /// The network cannot run, or not on images of this size, or the memory does not suffice.
  case graph(GraphError)
  /// An image cannot be resized; `index` is its position among several.
  case image(index: Int?, ImageError)
  /// The model was opened without its weights.
  case noWeights
  /// An exponent was given, but the network does not pool by GeM.
  case noPooling
  /// The memory for resizing images does not suffice.
  case memory(byteCount: Int)

  /// The error that a typed error of another module becomes.
  package init(_ error: any Error) {
    switch error {
    case let error as InferenceError: self = error
    case let error as PackageError: self = .package(error)
    case let error as GraphError: self = .graph(error)
    case let error as ImageError: self = .image(index: nil, error)
    default: self = .graph(.structure("\(error)"))
    }
  }
}

extension InferenceError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .package(let error): "\(error)"
    case .graph(let error): "\(error)"
    case .image(nil, let error): "\(error)"
    case .image(let index?, let error): "image \(index): \(error)"
    case .noWeights: "the model was opened without its weights, only to be described; open it with them to run it"
    case .noPooling: "the network has no generalised-mean pooling, which the exponent is for"
    case .memory(let byteCount): "cannot allocate \(byteCount) bytes for resizing images"
    }
  }
}
