import Files

/// Why a command refuses to write an output.
enum OutputError: Error {
  /// The output is "-", by which many tools mean standard output.
  case dash(option: String)
  /// The output is one of the files that the command reads.
  case isInput(option: String, path: String, input: String)
  /// Two outputs are the same file.
  case sameFile(options: [String], paths: [String])
  /// The name has the extension of another format.
  case otherFormat(option: String, path: String, ending: String, kind: OutputKind)
  /// A report is a link to a file whose name has the extension of another format.
  case linkToOtherFormat(option: String, path: String, target: String)
  /// The output cannot be created: it is a folder, or a symbolic link that leads nowhere.
  case cannotCreate(FileError)
  /// The file exists, and is none that the output may replace. A path that is not named follows from that of another
  /// file.
  case otherContents(option: String, path: String, expected: String, isNamed: Bool)
  /// The file exists and may be written to but not read, so that its kind is not known.
  case unreadable(option: String, FileError)
}

extension OutputError: CustomStringConvertible {
  var description: String {
    switch self {
    case .cannotCreate(let error): error.description
    case .dash(let option):
      "\(option) -: an output is a file; name one (./- for a file of this name), or /dev/stdout where the output need not "
        + "be read back"
    case .isInput(let option, let path, let input):
      "\(option) \(path) would replace \(Self.named(input, besides: path))a file that this command reads; "
        + "nothing was written. Name another file"
    case .sameFile(let options, let paths):
      "\(Self.joined(options)) would write the same file twice (\(Self.joined(paths))); name a different file for each"
    case .otherFormat(let option, let path, let ending, let kind):
      "\(option) \(path): the output is \(kind.description), so its name must end in .\(kind.fileExtension) or have no "
        + "extension, instead of .\(ending)"
    case .linkToOtherFormat(let option, let path, let target):
      "\(option) \(path) is a link to \(target), which would be replaced, and whose extension is that of another "
        + "format; name another file"
    case .otherContents(let option, let path, let expected, let isNamed):
      "\(option) \(isNamed ? "" : "implies the output ")\(path): the file exists and is not \(expected), so it is not "
        + "replaced; remove it first, or name another file"
    case .unreadable(let option, let error):
      "\(option) would replace a file that may not be read, so that it is not known to be of the same kind: \(error)"
    }
  }

  /// A name as the start of a list, unless it has been said.
  private static func named(_ name: String, besides other: String) -> String {
    ExactName(name) == ExactName(other) ? "" : "\(name), "
  }

  /// Two names, or the one that both are.
  private static func joined(_ names: [String]) -> String {
    Set(names.map(ExactName.init)).count == 1 ? names[0] : names.joined(separator: " and ")
  }
}
