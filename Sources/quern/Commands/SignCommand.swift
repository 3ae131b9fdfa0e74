import ArgumentParser
import Conversion
import Files
import PrintableText

struct SignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Sign a package.",
    discussion: """
      Writes a signature of the whole file, and so of the figures that it states: a sigstore bundle by OpenSSF Model \
      Signing 1.0 (key method), which 'quern verify', 'quern inspect' and the Python package model-signing verify. The \
      hashes of the package are verified first, and a package that states the figures of another one, or a report that \
      contradicts itself, is not signed. The signature is of the file's name, too, so that a renamed package does not \
      verify.

      The passphrase of an encrypted key is the first line of --passphrase-file, or else the value of the environment \
      variable QUERN_KEY_PASSPHRASE.

      Examples:
        openssl ecparam -name prime256v1 -genkey -noout -out private.pem
        openssl pkey -in private.pem -pubout -out public.pem
        quern sign model.quern --key private.pem
        quern verify model.quern --signature model.quern.sig --public-key public.pem
      """)

  @Argument(help: "A package.", completion: .package)
  var package: String

  @Option(help: ArgumentHelp("The private key, in PEM: P-256, P-384 or P-521.", valueName: "key.pem"), completion: .key)
  var key: String

  @Option(
    help: ArgumentHelp(
      "A file whose first line is the passphrase of the key. (default: the environment variable QUERN_KEY_PASSPHRASE)",
      valueName: "file"), completion: .file())
  var passphraseFile: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The signature to write. (default: the package's name with .sig)", valueName: "file.sig"),
    completion: .file(extensions: ["sig"]))
  var output: String?

  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    let output = output ?? package + ".sig"
    var outputs = OutputFiles()
    outputs.add(self.output == nil ? "sign" : "-o", output, .signature, isNamed: self.output != nil)
    try outputs.check(models: [package], others: [key, passphraseFile])
    let file = try SignatureFile(output, key: try SigningKey.open(key, passphraseFile: passphraseFile))
    let signable = try SignablePackage(path: package, threads: common.threadCount)
    try file.write(signable.file)
    common.warn(signable.warnings)
    let report = file.report(of: package, signable.file)
    if common.json {
      Terminal.print(try JSONText.encode(report))
    } else if !common.quiet {
      Terminal.note("\(printable(package)) signed by key SHA-256 \(report.keySha256): \(printable(output))")
    }
  }
}
