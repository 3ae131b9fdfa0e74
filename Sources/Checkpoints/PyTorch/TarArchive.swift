import Files

enum TarArchive {
  static func isTar(_ file: MappedFile) -> Bool { false }
  static func read(_ file: MappedFile) throws(FormatError) -> CheckpointContents { throw .noStateDict(reason: "tar") }
}
