import Graphs
import Images
import Synchronization
import Threads

/// An image of a list, decoded.
package struct LoadedImage: Sendable {
  package let file: ImageFolder.File
  package let pixels: RGBImage
  /// What identifies the image to the random numbers of its augmentations: a hash of the file's content.
  package let key: UInt64

  /// Reads and decodes a file.
  package init(_ file: ImageFolder.File) throws(ImageError) {
    let bytes = try ImageFile.read(file.path)
    self.file = file
    pixels = try ImageFile.decode(bytes, path: file.path)
    key = ImageFile.key(ofContent: bytes)
  }

  /// The same of another list's entry for the file.
  init(_ file: ImageFolder.File, like image: LoadedImage) { (self.file, pixels, key) = (file, image.pixels, image.key) }
}

/// Hands the images of a list to a body, one a thread at a time, and deals with those that cannot be used.
package struct ImageJob: Sendable {
  package var threads: Int
  /// Leave broken images out instead of failing.
  package var skipsBroken: Bool
  /// What images are taken from that other stages decode, too; `nil`: each is decoded here.
  package var cache: ImageCache?

  package init(threads: Int, skipsBroken: Bool = false) {
    self.threads = threads
    self.skipsBroken = skipsBroken
  }

  /// The image of a file, from the cache if there is one.
  ///
  /// - Throws: `ImageError` where the file cannot be read or decoded.
  package func load(_ file: ImageFolder.File) throws(ImageError) -> LoadedImage {
    guard let cache else { return try LoadedImage(file) }
    return try cache.image(file)
  }

  private struct State {
    var broken = BrokenImages()
    /// The failure with the lowest index, so that which one is reported does not depend on timing.
    var failure: (index: Int, error: any Error)?
  }

  /// Calls `body(index, file, worker)` for every file; an `ImageError` that `body` throws, or a size that the
  /// network cannot take, counts as a broken image; any other error ends the job.
  ///
  /// After a broken image that may not be skipped, the remaining images are only decoded, so that all broken ones are
  /// named.
  ///
  /// - Returns: the images that were left out.
  /// - Throws: `ConversionError.brokenImages`, or what `body` threw for the first image it failed on.
  package func run(
    _ files: [ImageFolder.File], progress: any ProgressObserver,
    _ body: (_ index: Int, _ file: ImageFolder.File, _ worker: Int) throws -> Void
  ) throws -> BrokenImages {
    let state = Mutex(State())
    let team = ThreadTeam(count: min(threads, files.count))
    team.forEach(files.count) { index, worker in
      let (onlyDecodes, isOver) = state.withLock { (!$0.broken.isEmpty && !skipsBroken, $0.failure != nil) }
      if isOver { return }
      do {
        if onlyDecodes {
          _ = try LoadedImage(files[index])
        } else {
          try body(index, files[index], worker)
        }
      } catch let error as ImageError {
        state.withLock { $0.broken.record(path: files[index].path, error: error) }
      } catch let error as GraphError where error.isInputSize {
        state.withLock { $0.broken.record(path: files[index].path, error: .invalidGeometry("\(error)")) }
      } catch {
        state.withLock { state in
          if index < state.failure?.index ?? .max { state.failure = (index, error) }
        }
      }
      progress.advance()
    }
    let (broken, failure) = state.withLock { ($0.broken, $0.failure) }
    if let failure { throw failure.error }
    if !broken.isEmpty {
      guard skipsBroken else { throw ConversionError.brokenImages(broken) }
      Self.warn(of: broken, progress)
    }
    return broken
  }

  /// Names images that were left out, if there are any.
  static func warn(of broken: BrokenImages, _ progress: any ProgressObserver) {
    guard !broken.isEmpty else { return }
    progress.warn("left out \(broken.count) image\(broken.count == 1 ? "" : "s") that cannot be used:\n\(broken)")
  }
}
