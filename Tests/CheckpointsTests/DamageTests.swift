import Checkpoints
import Tensors
import Testing

/// Damaged files: an error, or the right values, or values in bounds; never a trap.
@Suite struct DamageTests {
  static let samples = [
    "bare-legacy.pth", "training-legacy.pth", "protocol4-legacy.pth", "views-zip.pth", "protocol4-zip.pth", "tar.pth",
    "every.safetensors",
  ]

  @Test(arguments: samples) func truncatedFileIsRefused(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let file = TemporaryFile(bytes)
    let whole = Contents(try file.read())
    for length in stride(from: bytes.count - 1, through: 0, by: -1) {
      file.truncate(to: length)
      do throws(CheckpointError) {
        let contents = Contents(try file.read())
        // A tar file's last block of zeros says nothing.
        #expect(
          name == "tar.pth" && length >= bytes.count - 512 && contents == whole, "\(length) of \(bytes.count) bytes")
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
  }

  @Test(arguments: samples, [1, 2] as [UInt64]) func mutatedFileNeverTraps(name: String, seed: UInt64) throws {
    print("seed \(seed)")
    var generator = SeededGenerator(state: seed)
    let original = try Fixtures.bytes(name)
    let file = TemporaryFile()
    var accepted = 0
    for _ in 0..<1500 {
      let bytes = mutation(of: original, using: &generator)
      file.write(bytes)
      if let checkpoint = try? file.read() {
        accepted += 1
        _ = Contents(checkpoint)
        #expect(checkpoint.tensors.reduce(0) { $0 + $1.tensor.byteCount } <= 8 * bytes.count + 16 << 20)
      }
    }
    #expect(accepted < 1500)
  }
}
