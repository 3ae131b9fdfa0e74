import Calibration
import Images
import Inference
import Quantization
import Runtime

/// Runs calibration images through the float network and counts the values of its activations.
struct CalibrationPasses {
  private let options: ConversionOptions
  private let parts: Int
  private let progress: any ProgressObserver
  private let cache: ImageCache?

  /// - Parameter parts: image i is counted in part i modulo this; the parts together are the same whatever their number.
  init(_ options: ConversionOptions, parts: Int, progress: any ProgressObserver, cache: ImageCache? = nil) {
    (self.options, self.parts, self.progress, self.cache) = (options, parts, progress, cache)
  }

  /// What was counted, by parts, and the images that were left out.
  ///
  /// - Parameters:
  ///   - float: the equalised network.
  ///   - equalization: how it was equalised; images that were run for that are not all run once more.
  /// - Throws: `ConversionError.noUsableImages`.
  func run(
    _ float: Executable, _ files: [ImageFolder.File], _ sizes: [ServedSize], _ equalization: Equalization?
  ) throws -> ([ActivationStatistics], BrokenImages) {
    let passes = files.count * options.distinctCopies(sizes: sizes.count)
    // Of several sizes each image has been run at one.
    let spared = sizes.count == 1 ? equalization?.spared(ofPasses: passes) ?? [] : []
    var (statistics, skipped) = try count(float, files, sizes, sparing: spared)
    if !spared.isEmpty {
      if statistics.contains(where: { $0.passes > 0 }) {
        equalization?.addExtremes(to: &statistics[0])
      } else {
        // All others are broken.
        (statistics, skipped) = try count(float, files, sizes, sparing: [])
      }
    }
    guard statistics.contains(where: { $0.passes > 0 }) else {
      throw ConversionError.noUsableImages(folder: options.calibrationFolder)
    }
    return (statistics, skipped)
  }

  /// - Parameter spared: paths of images whose first copy is not run.
  private func count(
    _ float: Executable, _ files: [ImageFolder.File], _ sizes: [ServedSize], sparing spared: Set<String>
  ) throws -> ([ActivationStatistics], BrokenImages) {
    let schedule = SizeSchedule(sizes: sizes.count)
    let augmentations = sizes.map { options.augmentation($0.resolution) }
    let calibrator = Calibrator(
      float, observing: QuantizationPlanner.observedValues(in: float.graph), parts: parts)
    var job = ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages)
    job.cache = cache
    let repetitions = options.distinctCopies(sizes: sizes.count)
    let skipped = try job.run(files, progress: progress) { [job] index, file, worker in
      let first = spared.contains(file.path) ? 1 : 0
      guard first < repetitions else { return }
      let image = try job.load(file)
      let part = index % parts
      if options.recipe == .none {
        // What verification looks at.
        for size in sizes {
          let pixels = try size.resolution.evaluation.apply(to: image.pixels)
          size.keep(try calibrator.count(pixels, part: part, worker: worker), of: pixels, path: file.path)
        }
        return
      }
      for repetition in first..<repetitions {
        let size = schedule.size(ofPass: index * repetitions + repetition)
        let augmented = try augmentations[size].apply(
          to: image.pixels, imageKey: image.key, repetition: repetition)
        try calibrator.count(augmented, part: part, worker: worker)
      }
    }
    return (calibrator.statisticsOfParts(), skipped)
  }
}
