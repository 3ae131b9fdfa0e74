/// The version of the tool, which reports and packages carry.
package enum ToolVersion {
  package static let current = "0.1.0"
}
