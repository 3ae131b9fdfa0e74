import Fidelity
import Files
import FoundationEssentials
import PackageFormat

/// The metadata of a package (formats/package.md), stored as JSON: its source, its calibration and its measured
/// fidelity. Nothing in it depends on when, where or how fast the package was made: files and folders are named without
/// their paths.
package struct PackageMetadata: Codable, Sendable {
  /// The checkpoint that was converted, without its path.
  package var source: FidelityReport.Reference
  /// The settings and the figures of calibration.
  package var calibration: [String: JSONValue]
  /// The first digits of the hashes of the calibration images' pixels (`ImageKeys`), those that a plan was calibrated
  /// on included; `nil` where there are too many images, or some are not known.
  package var calibrationPixels: String?
  /// SHA-256 of the package's plan, as `quern plan` writes it but without `calibration_pixels`, in hexadecimal digits.
  package var planSHA256: String?
  /// The version of the tool that made the package.
  package var toolVersion: String?
  /// The report of the verification; `nil` until the package is verified, and where the report is not valid.
  package var fidelity: FidelityReport?
  /// Why the report is not valid; `nil` where it is, or where there is none.
  private var reportProblem: String?

  private enum CodingKeys: String, CodingKey {
    case source, calibration, fidelity
    case calibrationPixels = "calibration_pixels"
    case planSHA256 = "plan_sha256"
    case toolVersion = "tool_version"
  }

  init(
    source: FidelityReport.Reference, calibration: [String: JSONValue], images: ImageKeys?, fidelity: FidelityReport?
  ) {
    self.source = source
    self.source.path = nil
    self.calibration = calibration
    calibrationPixels = images?.text
    toolVersion = ToolVersion.current
    self.fidelity = fidelity
  }

  /// A report that is not valid does not keep the rest from being read.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    source = try container.decode(FidelityReport.Reference.self, forKey: .source)
    calibration = try container.decode([String: JSONValue].self, forKey: .calibration)
    calibrationPixels = try container.decodeIfPresent(String.self, forKey: .calibrationPixels)
    planSHA256 = try container.decodeIfPresent(String.self, forKey: .planSHA256)
    toolVersion = try container.decodeIfPresent(String.self, forKey: .toolVersion)
    do {
      fidelity = try container.decodeIfPresent(FidelityReport.self, forKey: .fidelity)
      if let problem = fidelity?.problemInPackage {
        throw DecodingError.dataCorruptedError(forKey: .fidelity, in: container, debugDescription: problem)
      }
      // A hash that cannot be compared with that of the figures is not absent.
      if fidelity != nil { try Self.checkHash(of: calibration, in: container) }
    } catch {
      (fidelity, reportProblem) = (nil, Self.problem(error))
    }
  }

  private static func checkHash(
    of calibration: [String: JSONValue], in container: KeyedDecodingContainer<CodingKeys>
  ) throws {
    switch calibration["sha256"] {
    case nil, .null?, .string?: return
    default:
      throw DecodingError.dataCorruptedError(
        forKey: .calibration, in: container, debugDescription: "the calibration's sha256 is not text")
    }
  }

  /// The reasons of the layers that are kept in float, by name.
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
  var calibrationSet: ImageSet? { ImageSet(calibration: calibration) }

  /// The keys of the images that the package was calibrated on; `nil` where they are not stored.
  var imageKeys: ImageKeys? { calibrationPixels.flatMap(ImageKeys.init(text:)) }

  /// Whose figures these are; `nil` without any.
  ///
  /// - Parameter contentHash: that of the package which has these metadata.
  func binding(contentHash: SHA256.Digest) -> FigureBinding? {
    fidelity.map { fidelity in
      let images: String? = if case .string(let hash)? = calibration["sha256"] { hash } else { nil }
      return FigureBinding(
        contentHash: contentHash, stated: fidelity.contentHash, checkpoints: (source.sha256, fidelity.reference.sha256),
        calibration: (images, fidelity.calibration?.sha256))
    }
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// Parses the metadata of a package; `nil` where this version cannot read them.
  package init?(json: String) {
    guard let value = Self.read(json).metadata else { return nil }
    self = value
  }

  /// Parses the metadata of a package.
  ///
  /// - Returns: the metadata, `nil` where there are none, or none that a conversion wrote; and why the report that they
  ///   state is not valid, `nil` where it is, or where there is none.
  static func read(_ json: String) -> (metadata: PackageMetadata?, reportProblem: String?) {
    guard !json.isEmpty else { return (nil, nil) }
    let document: JSONDocument
    do {
      document = try JSONDocument(Data(json.utf8))
    } catch {
      // There may be a report in what cannot be read.
      return (nil, "the metadata cannot be read: \(problem(error))")
    }
    do {
      let metadata = try document.decode(PackageMetadata.self)
      return (metadata, metadata.reportProblem)
    } catch {
      let report = document.value.members?["fidelity"] ?? .null
      return (nil, report == .null ? nil : "the metadata cannot be read: \(problem(error))")
    }
  }

  private static func problem(_ error: any Error) -> String { (error as? DecodingError)?.reason ?? "\(error)" }
}

extension PackageReader {
  /// The metadata; `nil` where there are none that a conversion wrote. Errors name the file.
  ///
  /// - Throws: `ConversionError.package` where the section is damaged, or the report in it is not valid.
  func statedMetadata() throws(ConversionError) -> PackageMetadata? {
    let (metadata, problem) = PackageMetadata.read(try metadataText())
    if let problem { throw .package(path: path, .invalidReport(problem)) }
    return metadata
  }
}
