import Files
import Suggestions

/// Recognises formats by the first bytes of a file.
enum FileSignature {
  static func format(of file: MappedFile) throws(FormatError) -> Checkpoint.Format {
    let cursor = ByteCursor(file.storage)
    if LegacyStream.isLegacy(file) { return .pytorchLegacy }
    if cursor.starts(with: [0x50, 0x4B, 3, 4]) || cursor.starts(with: [0x50, 0x4B, 5, 6]) { return .pytorchZip }
    if TarArchive.isTar(file) { return .pytorchTar }
    for (signature, kind, advice) in foreign where cursor.starts(with: signature) {
      throw .wrongKind(looksLike: kind, advice: advice)
    }
    if let kind = file.withBytes(InputAdvice.archive) {
      throw .wrongKind(looksLike: kind, advice: "unpack it first")
    }
    if MindSporeReader.isPlausible(file) { return .mindspore }
    if SafetensorsReader.isPlausible(file) { return .safetensors }
    if ShardIndex.isPlausible(file) { return .sharded }
    if ONNXFraming.isPlausible(file) { return .onnx }
    // All pickles of protocol 2 and above start with this byte, even those that are cut short.
    if cursor.starts(with: [0x80]) { throw pickle(cursor, file) }
    throw other(file)
  }

  private static let image = "pass a checkpoint; images go to --images or --calibration"
  private static let decrypt = "load it with its dec_key in MindSpore, and save it without enc_key"
  private static let convert = "export the model's weights from its framework as safetensors"

  private static let foreign: [(signature: [UInt8], kind: String, advice: String)] = [
    (
      [0x89] + Array("QUERN\r\n".utf8), "a Quern package",
      "it is already converted; pass the PyTorch, ONNX, MindSpore or safetensors checkpoint that it was converted from"
    ),
    ([0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A], "a PNG image", image),
    ([0xFF, 0xD8, 0xFF], "a JPEG image", image),
    (Array("GIF8".utf8), "a GIF image", image),
    ([0x89] + Array("HDF\r\n".utf8) + [0x1A, 0x0A], "an HDF5 (Keras) file", convert),
    ([0x93] + Array("NUMPY".utf8), "a NumPy array", "save a dictionary of named tensors instead"),
    (Array("GGUF".utf8), "a GGUF file", convert),
    (Array("%PDF".utf8), "a PDF document", "pass a checkpoint"),
    ([0x7F] + Array("ELF".utf8), "a program", "pass a checkpoint"),
    (Array("-----BEGIN PGP".utf8), "an encrypted file", "decrypt it first"),
    (Array("age-encryption.org".utf8), "an encrypted file", "decrypt it first"),
    (Array("Salted__".utf8), "an encrypted file (OpenSSL)", "decrypt it first"),
    ([0xD8, 0x5E, 0x3A, 0x7F], "an encrypted file (MindSpore, AES-GCM)", decrypt),
    ([0xD9, 0x5E, 0x3A, 0x7F], "an encrypted file (MindSpore, AES-CBC)", decrypt),
    ([0xDA, 0x5E, 0x3A, 0x7F], "an encrypted file (MindSpore, SM4-CBC)", decrypt),
  ]

  private static func pickle(_ cursor: ByteCursor, _ file: MappedFile) -> FormatError {
    let whole = cursor.remaining >= 15
    return .wrongKind(
      looksLike: whole ? "a plain Python pickle" : "the first \(file.byteCount) bytes of a pickle",
      advice: whole ? "save a state_dict() with torch.save" : "the file is cut short; fetch it again")
  }

  private static func other(_ file: MappedFile) -> FormatError {
    let start: [UInt8] = file.withBytes { Array($0.prefix(512)) }
    if start.allSatisfy({ $0 == 0 }) {
      return .wrongKind(looksLike: "a file of zeros", advice: "its download did not finish; fetch it again")
    }
    let isText = start.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
    if isText {
      let text = String(decoding: start, as: UTF8.self).lowercased().drop { $0.isWhitespace || $0 == "\u{FEFF}" }
      if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") || text.hasPrefix("<head") {
        return .wrongKind(
          looksLike: "a web page", advice: "its link leads to a page instead of the file; open it in a browser")
      }
      return .wrongKind(looksLike: "plain text", advice: "pass a PyTorch, ONNX, MindSpore or safetensors file")
    }
    return .wrongKind(
      looksLike: "no known format",
      advice: "checkpoints are PyTorch (.pth, .pt), ONNX, MindSpore (.ckpt) or safetensors files")
  }
}
