import Calibration
import Images

extension ImageJob {
  /// Calls `body(pass, file, image, worker)` with augmented copies of files, one a thread at a time. Copies take turns in
  /// the sizes of the augmentations, and are numbered through in the order of the files. Broken images are left out without a
  /// word: calibration names them.
  ///
  /// - Parameters:
  ///   - repetitions: copies of each file.
  ///   - cache: what images are taken from that other stages decode, too.
  /// - Throws: what `body` threw, but for an image's or its size's unfitness, which makes it a broken one.
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
        let augmented = try augmentation.apply(to: image.pixels, imageKey: image.key, repetition: repetition)
        try body(pass, file, augmented, worker)
      }
    }
  }
}
