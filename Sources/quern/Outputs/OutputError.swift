/// Why a file that a command was told to write is not written.
enum OutputError: Error {
  /// It is one of the files that the command reads.
  case isInput(option: String, path: String, input: String)
  /// Two outputs are one file.
  case sameFile(options: [String], paths: [String])
  /// The name's ending is that of another format.
  case otherFormat(option: String, path: String, ending: String, kind: OutputKind)
  /// A report's name is a link to a file whose name says another format.
  case linkToOtherFormat(option: String, path: String, target: String)
  /// The file exists and holds something else.
  case otherContents(option: String, path: String, kind: OutputKind)
}

extension OutputError: CustomStringConvertible {
  var description: String {
    switch self {
    case .isInput(let option, let path, let input):
      "\(option) \(path) would replace \(path == input ? "" : "\(input), ")a file that this command reads; "
        + "nothing was written: name another file"
    case .sameFile(let options, let paths):
      "\(Set(options).count == 1 ? options[0] : options.joined(separator: " and ")) would write one file twice, "
        + "\(Set(paths).count == 1 ? paths[0] : paths.joined(separator: " and ")); name a file for each"
    case .otherFormat(let option, let path, let ending, let kind):
      "\(option) \(path): \(kind.description) is written, whose name must end in .\(kind.fileExtension) or have no "
        + "ending, not in .\(ending)"
    case .linkToOtherFormat(let option, let path, let target):
      "\(option) \(path) is a link to \(target), which would be replaced and whose name says another format; name "
        + "another file"
    case .otherContents(let option, let path, let kind):
      "\(option) \(path): the file exists and is not \(kind.description), so it is not replaced; name another file, or "
        + "end the name in .\(kind.fileExtension)"
    }
  }
}
