import Fidelity
import Foundation

/// What a package says of its own making, as JSON in its metadata section: the source, the calibration and the fidelity
/// measured. Nothing in it depends on when, where or how fast the package was made: files and folders are named without
/// their paths.
package struct PackageMetadata: Codable, Sendable {
  /// The checkpoint that was converted, without its path.
  package var source: FidelityReport.Reference
  package var calibration: [String: JSONValue]
  /// The beginnings of the SHA-256 of the images that were calibrated on; `nil` for very many.
  package var calibrationImages: String?
  /// Of the plan that the package was made by, as `quern plan` writes it.
  package var planSHA256: String?
  package var toolVersion: String?
  /// `nil` while the package is not verified.
  package var fidelity: FidelityReport?

  private enum CodingKeys: String, CodingKey {
    case source, calibration, fidelity
    case calibrationImages = "calibration_images"
    case planSHA256 = "plan_sha256"
    case toolVersion = "tool_version"
  }

  init(
    source: FidelityReport.Reference, calibration: [String: JSONValue], images: ImageKeys, fidelity: FidelityReport?
  ) {
    self.source = source
    self.source.path = nil
    self.calibration = calibration
    calibrationImages = images.text
    toolVersion = ToolVersion.current
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

  /// The images that the package was calibrated on, as a set; `nil` for packages of earlier versions.
  var calibrationSet: ImageSet? {
    guard case .string(let name)? = calibration["folder"], case .string(let sha256)? = calibration["sha256"],
      case .int(let images)? = calibration["images"]
    else { return nil }
    return ImageSet(name: name, images: images, sha256: sha256)
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// Reads the metadata of a package; `nil` where it is none that this version knows.
  package init?(json: String) {
    guard let value = try? JSONDecoder().decode(PackageMetadata.self, from: Data(json.utf8)) else { return nil }
    self = value
  }
}
