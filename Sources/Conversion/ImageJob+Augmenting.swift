import Calibration
import Images
import Pixels

extension ImageJob {
  /// Calls `body(pass, file, image, worker)` with copies of files, one at a time on each thread. The first copy of a
  /// file is as in evaluation, and the others are augmented. Copies alternate between the sizes of the augmentations,
  /// and passes are numbered in the order of the files. Broken images are left out silently, because calibration
  /// reports them.
  ///
  /// - Parameters:
  ///   - repetitions: the number of copies of each file.
  ///   - augmentations: one for each size.
  ///   - cache: decoded images, shared with other stages.
  /// - Throws: the errors of `body`, except those about an image or its size, which make it a broken image.
  static func augmenting(
    _ files: [ImageFolder.File], repetitions: Int = 1, _ augmentations: [Augmentation], threads: Int,
    cache: ImageCache? = nil,
    _ body: (_ pass: Int, _ file: ImageFolder.File, _ image: RGBImage, _ worker: Int) throws -> Void
  ) throws {
    let schedule = SizeSchedule(sizes: augmentations.count)
    var job = ImageJob(threads: threads, skipsBroken: true)
    job.cache = cache
    _ = try job.run(files, progress: SilentProgress()) { [job] index, file, worker in
      let image = try job.load(file)
      for repetition in 0..<repetitions {
        let pass = index * repetitions + repetition
        let augmentation = augmentations[schedule.size(ofPass: pass)]
        let copy = schedule.copy(repetition, ofImage: index, repetitions: repetitions)
        try body(pass, file, try augmentation.copy(copy, of: image.pixels, imageKey: image.key), worker)
      }
    }
  }
}
