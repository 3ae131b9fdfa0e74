import Fidelity
import Foundation

/// What a package says of its own making, as JSON in its metadata section: the source, the calibration and the fidelity
/// measured. Nothing in it depends on when, where or how fast the package was made.
public struct PackageMetadata: Codable, Sendable {
  /// The checkpoint that was converted, without its path.
  public var source: FidelityReport.Reference
  public var calibration: [String: JSONValue]
  /// `nil` while the package is not verified.
  public var fidelity: FidelityReport?

  init(source: FidelityReport.Reference, calibration: [String: JSONValue], fidelity: FidelityReport?) {
    self.source = source
    self.source.path = nil
    self.calibration = calibration
    self.fidelity = fidelity
  }

  /// Why layers compute in float, by their names.
  var keptFloat: [String: String] {
    guard case .array(let layers)? = fidelity?.settings[KeptFloat.setting] else { return [:] }
    return layers.reduce(into: [:]) { result, layer in
      guard case .object(let fields) = layer, case .string(let name)? = fields["name"],
        case .string(let reason)? = fields["reason"]
      else { return }
      result[name] = reason
    }
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// Reads the metadata of a package; `nil` where it is none that this version knows.
  public init?(json: String) {
    guard let value = try? JSONDecoder().decode(PackageMetadata.self, from: Data(json.utf8)) else { return nil }
    self = value
  }
}
