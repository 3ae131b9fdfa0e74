/// The outcome of holding a package against the checkpoint it was made from.
package struct FidelityReport: Hashable, Sendable {
  /// The name and version of the JSON form.
  package static let schema = "quern.fidelity/1"

  /// At the first size, where there are several.
  package var figures: FidelityFigures
  package var gates: [GateResult]
  /// What was measured at each size, the first first; empty where there is one.
  package internal(set) var sizes: [SizeFidelity] = []
  /// The float network held to outputs of its framework; nil where there were none.
  package var referenceCheck: ReferenceCheck?
  /// Whether no network was run, so that there is none to hold to a framework. Not part of the JSON form.
  package var comparesStoredOutputs = false
  /// What a reader should know of the figures, in sentences.
  package var notes: [String] = []
  /// What puts the figures in doubt and cannot be told from them, in sentences; `allWarnings` has the others, too.
  package var warnings: [String] = []
  /// What a checkpoint does not say and was taken for granted, in sentences.
  package var assumptions: [String] = []
  /// The version of the tool that measured; nil in reports of earlier versions.
  package var toolVersion: String?
  /// The images that the package was calibrated on, where they are told.
  package var calibration: ImageSet?
  /// The images that were compared; nil in reports of earlier versions.
  package var verification: VerificationSet?
  /// Whether an inconclusive verdict is not accepted.
  package var isStrict = false
  /// The package that was measured; nil inside a package, which cannot hold its own hash.
  package var package: Package?
  /// The checkpoint it was held against.
  package var reference: Reference
  /// The options that had a part in the result, by name. They are part of `deterministicPart`, so paths, numbers of
  /// threads and other facts of the machine do not belong here.
  package var settings: [String: JSONValue]
  /// What inference costs; nil where that is not told.
  package var inference: InferenceCost?
  /// Wall-clock seconds of each stage.
  package var seconds: [String: Double]
  /// The greatest resident memory of the process.
  package var peakResidentBytes: Int?
  /// Images of the folder that could not be used, in the order of their names.
  package internal(set) var skippedImages: [SkippedImage]

  /// Whether images were compared and every gate passed, at every size.
  package var passed: Bool {
    figures.images > 0 && !gates.isEmpty && gates.allSatisfy(\.passed) && sizes.allSatisfy(\.passed)
      && referenceCheck?.passed ?? true
  }

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
  /// - Parameter first: of the size whose figures are those of the report.
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

  /// Names the package that was measured and, where it was to have a size, holds it against that.
  package mutating func setPackage(_ package: Package, maxBytes: Int?) {
    self.package = package
    gates.removeAll { $0.name == .packageBytes }
    if let maxBytes {
      gates.append(GateResult(.packageBytes, value: Double(package.bytes), limit: Double(maxBytes)))
    }
  }

  /// The report without package, paths, times and memory: the same bytes for the same checkpoint, images and
  /// options, wherever and however fast they were measured. This is what a package stores of itself; its own size it cannot.
  package var deterministicPart: FidelityReport {
    var part = self
    part.package = nil
    part.gates.removeAll { $0.name == .packageBytes }
    part.reference.path = nil
    part.seconds = [:]
    part.peakResidentBytes = nil
    part.isStrict = false
    return part
  }

  /// A package file.
  package struct Package: Hashable, Sendable, Codable {
    package var path: String
    package var bytes: Int
    /// In hexadecimal.
    package var sha256: String

    package init(path: String, bytes: Int, sha256: String) {
      self.path = path
      self.bytes = bytes
      self.sha256 = sha256
    }
  }

  /// A checkpoint.
  package struct Reference: Hashable, Sendable, Codable {
    package var path: String?
    /// The file's own name, wherever it lies; nil in reports of earlier versions.
    package var name: String?
    /// In hexadecimal.
    package var sha256: String
    /// The file format, such as `pytorch-zip`.
    package var format: String
    /// The network, such as `resnet50`.
    package var architecture: String

    /// - Parameter path: gives the name, too.
    package init(path: String?, sha256: String, format: String, architecture: String) {
      self.path = path
      name = path.flatMap { $0.split(separator: "/").last.map(String.init) }
      self.sha256 = sha256
      self.format = format
      self.architecture = architecture
    }
  }

  /// An image that could not be used.
  package struct SkippedImage: Hashable, Sendable, Codable {
    /// Its path below the folder of images.
    package var name: String
    package var reason: String

    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }
}
