import Configuration
import Files
import Threads

/// The command line with the options of a configuration file.
struct ConfiguredCommandLine {
  /// The file that is read from the working directory.
  static let fileName = "quern.toml"
  /// The largest file that is read, in bytes. A parser that recurses has enough stack for it.
  static let maxBytes = 1 << 16

  /// The arguments, without the name of the tool. Where a file was read, --config names it.
  private(set) var arguments: [String]
  /// The file that was read.
  private var path: String?
  /// The options that the file adds.
  private var added: [String] = []
  /// Whether the user's own arguments ask for quiet. The file cannot hide the options that it adds.
  private let isQuiet: Bool

  /// The file that this process read.
  private static let pathOfProcess = Mutex<String?>(nil)

  /// The file that this process read, which no output may replace; `nil` where it read none.
  static var pathRead: String? { pathOfProcess.withLock(\.self) }

  /// The arguments that this process was given, without the name of the tool.
  private static let argumentsOfProcess = Mutex<[String]>([])

  /// The first option that the user's own arguments give besides some; `nil` where they give no other. Those of a
  /// configuration file, which are for many runs, do not count.
  ///
  /// - Parameter allowed: long names without dashes.
  /// - Throws: as `CommandCatalogue.commands` does.
  static func givenOption(besides allowed: Set<String>) throws -> String? {
    let arguments = argumentsOfProcess.withLock(\.self)
    guard let (command, length) = CommandOptions.named(arguments, in: try CommandCatalogue.commands()) else {
      return nil
    }
    let own = Array(arguments.dropFirst(length))
    let other = command.options.first { option in
      !option.longNames.contains(where: allowed.contains) && command.isGiven(option, in: own)
    }
    return other?.longNames.first
  }

  /// - Parameter arguments: the arguments as given, without the name of the tool.
  /// - Throws: `FileError` where the file cannot be read, also where the working directory has one that is a link to
  ///   nothing or may not be accessed; `ConfigurationError` where it is invalid.
  init(_ arguments: [String]) throws {
    self.arguments = arguments
    Self.argumentsOfProcess.withLock { $0 = arguments }
    let options = arguments.prefix { $0 != "--" }
    isQuiet = options.contains("--quiet") || options.contains("-q")
    guard let first = arguments.first, !first.hasPrefix("-"), first != "help",
      !options.contains(where: { ["--no-config", "--help", "-h"].contains($0) })
    else { return }
    let given = Self.givenPath(Array(options))
    // A file that cannot be reached is reported only by commands that read it.
    let found = Result<String?, FileError> { () throws(FileError) in
      if let given { return given }
      return try FileIdentity.of(Self.fileName) == nil ? nil : Self.fileName
    }
    if case .success(.none) = found { return }
    let commands = try CommandCatalogue.commands()
    guard let (command, length) = CommandOptions.named(arguments, in: commands) else { return }
    // --version of most commands prints the version of quern, but `deb` takes that of the Debian package.
    let takesVersion = command.options.contains { !$0.isFlag && $0.longNames.contains("version") }
    guard takesVersion || !options.contains("--version") else { return }
    guard let path = try found.get() else { return }
    let file = try Self.read(path)
    self.path = path
    Self.pathOfProcess.withLock { $0 = path }
    added = try file.arguments(
      for: command, of: commands, given: Array(arguments.dropFirst(length)), isNamed: given != nil)
    self.arguments.insert(contentsOf: (given == nil ? ["--config=" + path] : []) + added, at: length)
  }

  /// The argument of --config, if there is one.
  private static func givenPath(_ options: [String]) -> String? {
    for (index, option) in options.enumerated().reversed() {
      if option.hasPrefix("--config=") { return String(option.dropFirst("--config=".count)) }
      if option == "--config", index + 1 < options.count { return options[index + 1] }
    }
    return nil
  }

  private static func read(_ path: String) throws -> ConfigurationFile {
    let file = try MappedFile(path: path)
    let bytes = file.withBytes { Array($0.prefix(maxBytes + 1)) }
    guard bytes.count <= maxBytes else {
      throw ConfigurationError(path: path, line: 1, "larger than \(maxBytes) bytes, which no configuration is")
    }
    return try ConfigurationFile(path: path, text: bytes)
  }

  /// What the file adds, for people; `nil` where it adds nothing, or the user's own arguments ask for quiet.
  var note: String? {
    guard let path, !added.isEmpty, !isQuiet else { return nil }
    return "\(path): \(added.joined(separator: " "))"
  }
}
