import Files
import Glibc
import PackageFormat
import Tensors

/// Writes a finished package and makes sure that the file has the bytes that were meant.
package enum SealedPackage {
  /// Writes a package to `path`. The temporary file is read back before it replaces anything, and the file at `path`
  /// afterwards, from the disk where the system allows it.
  ///
  /// - Throws: `PackageError`, as `PackageLayout.write` does; `ConversionError.writtenDiffers` where the bytes in the
  ///   file are not those that were written.
  static func write(_ layout: PackageLayout, to path: String) throws {
    let file = try AtomicFile(path: path)
    try layout.write(to: file)
    if let temporary = file.temporaryPath { try check(temporary, is: layout.summary, named: path) }
    try file.commit()
    dropCached(path)
    try check(path, is: layout.summary, named: path)
  }

  /// Compares a file with what was written to it.
  ///
  /// - Parameters:
  ///   - file: the path of the file.
  ///   - summary: the size and the hashes of what was written.
  ///   - path: the path to report.
  /// - Throws: `ConversionError.writtenDiffers` where they differ, also if there is no file any more; `.package` where
  ///   the system does not let the file be read, which says nothing about its bytes.
  package static func check(
    _ file: String, is summary: PackageSummary, named path: String
  ) throws(ConversionError) {
    let written: PackageReader
    do throws(PackageError) {
      // By its bytes, as an output is not watched like an input whose hash is taken.
      written = try PackageReader(storage: try storage(of: file), path: file)
    } catch {
      switch error {
      case .file(.cannotOpen(_, let code)): throw .package(path: path, .file(.cannotOpen(path: path, code: code)))
      case .file(.cannotMap(_, let code)): throw .package(path: path, .file(.cannotMap(path: path, code: code)))
      case .memory: throw .package(path: path, error)
      default: throw .writtenDiffers(path: path)
      }
    }
    guard written.byteCount == summary.byteCount, written.sha256() == summary.sha256,
      written.contentHash == summary.contentHash
    else { throw .writtenDiffers(path: path) }
  }

  private static func storage(of file: String) throws(PackageError) -> TensorStorage {
    do throws(FileError) { return try MappedFile(path: file).storage } catch { throw .file(error) }
  }

  /// Lets the system forget the pages of a file that is on the disk, so that they are read from there.
  private static func dropCached(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    close(descriptor)
  }
}
