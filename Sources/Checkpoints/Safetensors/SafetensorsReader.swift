import Files

enum SafetensorsReader {
  static func isPlausible(_ file: MappedFile) -> Bool { false }
  static func read(_ file: MappedFile) throws(FormatError) -> CheckpointContents { throw .noStateDict(reason: "tar") }
}
