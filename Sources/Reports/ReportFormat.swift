import Fidelity

/// A file format of reports; the raw value is its file name extension.
package enum ReportFormat: String, ReportFileFormat {
  /// The schema `quern.fidelity/1`.
  case json
  /// GitHub's Markdown, for the summary of a CI step.
  case markdown = "md"
  /// JUnit XML, one test case per gate.
  case junit = "xml"
  /// One HTML page that loads nothing.
  case html
  /// How the package was made, as an in-toto statement with SLSA provenance.
  case provenance = "intoto.json"
  /// What the package consists of, as a bill of materials by CycloneDX.
  case billOfMaterials = "cdx.json"

  /// Whether the format states how a package was made, so that only a conversion can write it.
  package var isAboutBuild: Bool { self == .provenance || self == .billOfMaterials }

  package static func unknownExtension(of path: String) -> ReportError { .reportFormat(path: path) }
}

extension FidelityReport: FileReport {
  package func rendered(as format: ReportFormat) throws -> String {
    switch format {
    case .json: try json()
    case .markdown: markdown()
    case .junit: junit()
    case .html: html()
    case .provenance: try provenance()
    case .billOfMaterials: try billOfMaterials()
    }
  }

  package func has(_ format: ReportFormat) -> Bool { !format.isAboutBuild || (package != nil && build != nil) }
}
