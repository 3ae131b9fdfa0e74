/// The outcome of comparing a package with the checkpoint it was made from.
package struct FidelityReport: Hashable, Sendable {
  /// The name and version of the JSON form.
  package static let schema = "quern.fidelity/1"

  /// The figures; those at the first size where there are several.
  package var figures: FidelityFigures
  /// The gates that belong to `figures`, and that of the package's size.
  package var gates: [GateResult]
  /// The figures and gates of every size, the first included; empty where there is only one size.
  package internal(set) var sizes: [SizeFidelity] = []
  /// The comparison of the float network with its framework's outputs; nil where there were none.
  package var referenceCheck: ReferenceCheck?
  /// How the figures changed since an earlier report; nil where they were not compared with one.
  package var baseline: BaselineComparison?
  /// The configuration file that options were read from; nil where there was none.
  package var configuration: Configuration?
  /// Whether stored outputs were compared, so that no network was run that could be checked against a framework. Not
  /// part of the JSON form.
  package var comparesStoredOutputs = false
  /// Remarks on the figures, in sentences.
  package var notes: [String] = []
  /// Warnings that cannot be derived from the rest of the report, in sentences; `allWarnings` adds the derived ones.
  package var warnings: [String] = []
  /// What does not fit where a package that was compared states figures of another, in sentences. Its record of
  /// calibration may be as wrong.
  package var foreignFigures: [String] = []
  /// What the checkpoint does not state and the conversion assumed, in sentences.
  package var assumptions: [String] = []
  /// The version of the tool that measured; nil in reports of earlier versions.
  package var toolVersion: String?
  /// The images that the package was calibrated on; nil where they are not known.
  package var calibration: ImageSet?
  /// The images that were compared; nil in reports of earlier versions.
  package var verification: VerificationSet?
  /// Whether an inconclusive verdict is rejected.
  package var isStrict = false
  /// The package that was measured; nil inside a package, which cannot contain its own hash.
  package var package: Package?
  /// The content hash of the package that was measured, in hexadecimal digits, which binds the figures to it; nil for
  /// other models, for plans, and in reports of earlier versions.
  package var contentHash: String?
  /// Who signed the package that was measured; nil where no signature was verified.
  package var signature: Signature?
  /// How the package was made, for provenance and bills of materials; nil where none was made. Not part of the JSON
  /// form.
  package var build: PackageBuild?
  /// The checkpoint that the package was compared with.
  package var reference: Reference
  /// The options that influenced the result, by name. They are part of `deterministicPart`, so paths, numbers of
  /// threads and other properties of the machine do not belong here.
  package var settings: [String: JSONValue]
  /// The estimated cost of inference; nil where there is no estimate.
  package var inference: InferenceCost?
  /// Wall-clock seconds by conversion stage.
  package var seconds: [String: Double]
  /// The peak resident memory of the process, in bytes.
  package var peakResidentBytes: Int?
  /// Images of the folder that could not be used, in the order of their names.
  package internal(set) var skippedImages: [SkippedImage]

  /// Whether images were compared and every gate passed, at every size.
  package var passed: Bool { figuresPass && commonGates.allSatisfy(\.passed) }

  /// `passed` in earlier versions, to which a change without an interval was no regression.
  var earlierPassed: Bool {
    let isUndecided = baseline.map { !$0.changes.isEmpty && $0.regressions.isEmpty } ?? false
    return figuresPass && commonGates.allSatisfy { $0.passed || isUndecided && $0.name == .regression }
  }

  private var figuresPass: Bool {
    figures.images > 0 && !gates.isEmpty && gates.allSatisfy(\.passed) && sizes.allSatisfy(\.passed)
  }

  /// Whether the outputs of both sides are the same for every image, at every size.
  package var outputsAreIdentical: Bool { parts.allSatisfy(\.figures.outputsAreIdentical) }

  package init(
    figures: FidelityFigures, gates: Gates, package: Package?, reference: Reference,
    settings: [String: JSONValue] = [:], seconds: [String: Double] = [:], peakResidentBytes: Int? = nil,
    skippedImages: [SkippedImage] = []
  ) {
    self.figures = figures
    self.gates = gates.results(for: figures)
    self.package = package
    self.reference = reference
    self.settings = settings
    self.seconds = seconds
    self.peakResidentBytes = peakResidentBytes
    self.skippedImages = Self.sorted(skippedImages)
  }

  init(figures: FidelityFigures, gates: [GateResult], reference: Reference, settings: [String: JSONValue]) {
    self.figures = figures
    self.gates = gates
    self.reference = reference
    self.settings = settings
    seconds = [:]
    skippedImages = []
  }

  /// A report of what was measured at several sizes.
  ///
  /// - Parameters:
  ///   - first: the size whose figures are those of the report.
  ///   - further: the other sizes, in order.
  package init(
    first: SizeFidelity, further: [SizeFidelity], package: Package?, reference: Reference,
    settings: [String: JSONValue] = [:], skippedImages: [SkippedImage] = []
  ) {
    figures = first.figures
    gates = first.gates
    sizes = further.isEmpty ? [] : [first] + further
    self.package = package
    self.reference = reference
    self.settings = settings
    seconds = [:]
    self.skippedImages = Self.sorted(skippedImages)
  }

  private static func sorted(_ images: [SkippedImage]) -> [SkippedImage] {
    images.sorted { a, b in
      a.name.utf8.elementsEqual(b.name.utf8)
        ? a.reason.utf8.lexicographicallyPrecedes(b.reason.utf8)
        : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
  }

  /// Sets the package that was measured and adds the gate on its size where `maxBytes` is given.
  package mutating func setPackage(_ package: Package, maxBytes: Int?) {
    self.package = package
    gates = gatesOfFigures
    if let maxBytes {
      gates.append(GateResult(.packageBytes, value: Double(package.bytes), limit: Double(maxBytes)))
    }
  }

  /// Sets the images that were compared. Where comparing stopped early, those of the set were available.
  package mutating func setVerification(_ verification: VerificationSet) {
    self.verification = verification
    func counted(_ figures: FidelityFigures) -> FidelityFigures {
      var figures = figures
      figures.stop?.availableImages = max(verification.set.images, figures.images)
      return figures
    }
    figures = counted(figures)
    for index in sizes.indices { sizes[index].figures = counted(sizes[index].figures) }
  }

  /// `gates` without that of the package's size.
  var gatesOfFigures: [GateResult] { gates.filter { $0.name != .packageBytes } }

  /// The report without package, baseline, paths, times and memory: the same bytes for the same checkpoint, images and
  /// options, regardless of where and how fast they were measured. A package stores this part; it cannot store its own
  /// size.
  package var deterministicPart: FidelityReport {
    var part = self
    part.package = nil
    part.baseline = nil
    part.configuration = nil
    part.signature = nil
    part.build = nil
    part.gates = gatesOfFigures
    part.reference.path = nil
    part.seconds = [:]
    part.peakResidentBytes = nil
    part.isStrict = false
    return part
  }

  /// A package file.
  package struct Package: Hashable, Sendable, Codable {
    /// As given on the command line.
    package var path: String
    /// The size of the file.
    package var bytes: Int
    /// In hexadecimal.
    package var sha256: String

    package init(path: String, bytes: Int, sha256: String) {
      self.path = path
      self.bytes = bytes
      self.sha256 = sha256
    }
  }

  /// A signature that was verified.
  package struct Signature: Hashable, Sendable, Codable {
    /// As given on the command line.
    package var path: String
    /// SHA-256 of the public key in PEM, in hexadecimal digits.
    package var keySHA256: String

    private enum CodingKeys: String, CodingKey {
      case path
      case keySHA256 = "key_sha256"
    }

    package init(path: String, keySHA256: String) {
      self.path = path
      self.keySHA256 = keySHA256
    }
  }

  /// A configuration file.
  package struct Configuration: Hashable, Sendable, Codable {
    /// As given on the command line.
    package var path: String
    /// In hexadecimal.
    package var sha256: String

    package init(path: String, sha256: String) {
      self.path = path
      self.sha256 = sha256
    }
  }

  /// A checkpoint.
  package struct Reference: Hashable, Sendable, Codable {
    /// As given on the command line; nil inside a package.
    package var path: String?
    /// The file name without its folder; nil in reports of earlier versions.
    package var name: String?
    /// In hexadecimal.
    package var sha256: String
    /// The file format, such as `pytorch-zip`.
    package var format: String
    /// The network, such as `resnet50`.
    package var architecture: String
    /// The content hash in hexadecimal digits, where this is a package and no checkpoint.
    package var contentHash: String?

    private enum CodingKeys: String, CodingKey {
      case path, name, sha256, format, architecture
      case contentHash = "content_hash"
    }

    /// - Parameter path: also gives the name.
    package init(
      path: String?, sha256: String, format: String, architecture: String, contentHash: String? = nil
    ) {
      self.path = path
      name = path.flatMap { $0.split(separator: "/").last.map(String.init) }
      self.sha256 = sha256
      self.format = format
      self.architecture = architecture
      self.contentHash = contentHash
    }
  }

  /// An image that could not be used.
  package struct SkippedImage: Hashable, Sendable, Codable {
    /// The image's path below the folder of images.
    package var name: String
    /// Why it could not be used.
    package var reason: String

    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }
}
