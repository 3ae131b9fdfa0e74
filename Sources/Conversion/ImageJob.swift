import Graphs
import Images
import Pixels
import Threads

/// A decoded image of a list.
package struct LoadedImage: Sendable {
  /// The entry of the list.
  package let file: ImageFolder.File
  /// The decoded pixels, in the size of the file.
  package let pixels: RGBImage
  /// A hash of the file's content, which seeds the random numbers of the image's augmentations.
  package let key: UInt64
  /// Keeps other threads from decoding more than fits into memory; `nil` for images of the cache, which is bounded.
  private let reservation: DecodingReservation?

  /// Reads and decodes a file, after waiting for the memory.
  ///
  /// - Throws: `ImageError` where the file cannot be read or decoded.
  package init(_ file: ImageFolder.File) throws(ImageError) {
    let bytes = try ImageFile.read(file.path)
    self.file = file
    (pixels, reservation) = try ImageFile.decodeReserving(bytes, path: file.path)
    key = ImageFile.key(ofContent: bytes)
  }

  /// The image for the same file's entry in another list, without a reservation.
  init(_ file: ImageFolder.File, like image: LoadedImage) {
    (self.file, pixels, key, reservation) = (file, image.pixels, image.key, nil)
  }
}

extension EvaluationProtocol {
  /// The input made of an image; `nil` where the image is broken or cannot be made an input.
  ///
  /// - Parameter cache: decoded images; `nil`: the image is decoded.
  /// - Throws: `ImageError` where the image is not to blame (see `ImageError.isOfImage`).
  func input(_ file: ImageFolder.File, cache: ImageCache? = nil) throws(ImageError) -> RGBImage? {
    do throws(ImageError) {
      let image = if let cache { try cache.image(file) } else { try LoadedImage(file) }
      return try apply(to: image.pixels)
    } catch {
      guard error.isOfImage else { throw error }
      return nil
    }
  }
}

/// Processes the images of a list, one at a time on each thread, and handles those that cannot be used.
package struct ImageJob: Sendable {
  /// The number of threads.
  package var threads: Int
  /// Whether to leave broken images out instead of failing. Images that the system fails to read are not broken.
  package var skipsBroken: Bool
  /// Decoded images, shared with other stages; `nil`: each image is decoded here.
  package var cache: ImageCache?

  /// A job without a cache.
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
    /// The failure of the image with the lowest index, so that the reported failure does not depend on timing.
    var failure: (index: Int, error: any Error)?
  }

  /// Calls `body(index, file, worker)` for every file. An `ImageError` from `body` that the image is to blame for, or
  /// a size that the network cannot take, makes the image a broken one; any other error ends the job.
  ///
  /// After a broken image that may not be left out, the remaining images are only decoded, so that the error names all
  /// broken images.
  ///
  /// - Parameters:
  ///   - files: the images.
  ///   - progress: an observer, which advances with each image and is warned of those that were left out.
  ///   - body: called from several threads; `worker` is the number of the thread, below `threads`.
  /// - Returns: the images that were left out.
  /// - Throws: `ConversionError.brokenImages` where images are broken and may not be left out, or the error of `body`
  ///   for the first image that it failed on.
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
      } catch let error as ImageError where error.isOfImage {
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
    Self.noteOrientations(progress)
    let (broken, failure) = state.withLock { ($0.broken, $0.failure) }
    if let failure { throw failure.error }
    if !broken.isEmpty {
      guard skipsBroken else { throw ConversionError.brokenImages(broken) }
      Self.warn(of: broken, progress)
    }
    return broken
  }

  /// Notes once in a process how many images have an EXIF orientation that was ignored.
  private static func noteOrientations(_ progress: any ProgressObserver) {
    guard let (first, count) = EXIFOrientation.reportIgnored() else { return }
    let images = count == 1 ? "has" : count == 2 ? "and another image have" : "and \(count - 1) other images have"
    progress.note(
      "\(first) \(images) an EXIF orientation, and \(count == 1 ? "is" : "are") used as stored, as by Pillow; "
        + "--exif-orientation turns such images upright")
  }

  /// Warns of images that were left out, if there are any.
  static func warn(of broken: BrokenImages, _ progress: any ProgressObserver) {
    guard !broken.isEmpty else { return }
    progress.warn(
      "left out \(broken.count) image\(broken.count == 1 ? "" : "s") that cannot be used:", details: broken.lines)
  }
}
