/// The version of the tool, which reports and packages carry.
public enum ToolVersion {
  public static let current = "0.1.0"
}
