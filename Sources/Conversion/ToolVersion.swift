/// The version of the tool, which reports and packages record.
package enum ToolVersion {
  /// The version of this build.
  package static let current = "0.1.0"
}
