import Calibration
import Files
import Images
import Inference
import Pixels
import Quantization
import Runtime

/// Runs calibration images through the float network and counts the values of its activations.
struct CalibrationPasses {
  private let options: ConversionOptions
  private let parts: Int
  private let progress: any ProgressObserver
  private let cache: ImageCache?

  /// - Parameters:
  ///   - parts: how many parts the statistics are split into. Image i is counted in part i modulo `parts`; the sum of
  ///     all parts does not depend on their number.
  ///   - cache: decoded images, shared with other stages.
  init(_ options: ConversionOptions, parts: Int, progress: any ProgressObserver, cache: ImageCache? = nil) {
    (self.options, self.parts, self.progress, self.cache) = (options, parts, progress, cache)
  }

  /// Runs the passes, except those that `equalization`, which equalised the network, has already made where they can be
  /// reused.
  ///
  /// - Parameters:
  ///   - float: the equalised network.
  ///   - files: the calibration images.
  ///   - sizes: the sizes that the package serves.
  /// - Returns: the statistics of each part, and the images that were left out.
  /// - Throws: `ConversionError.noUsableImages` where every image is broken; `.brokenImages` where one is and broken
  ///   images may not be skipped.
  func run(
    _ float: Executable, _ files: [ImageFolder.File], _ sizes: [ServedSize], _ equalization: Equalization?
  ) throws -> ([ActivationStatistics], BrokenImages) {
    let passes = files.count * options.distinctCopies(sizes: sizes.count)
    // With several sizes, equalisation has run each image at only one of them.
    let reused = sizes.count == 1 ? equalization?.reusablePaths(passes: passes) ?? [] : []
    var (statistics, skipped) = try count(float, files, sizes, reusing: reused)
    if !reused.isEmpty {
      if statistics.contains(where: { $0.passes > 0 }) {
        equalization?.addExtremes(to: &statistics[0])
      } else {
        // All other images are broken, so that the statistics have to come from these.
        (statistics, skipped) = try count(float, files, sizes, reusing: [])
      }
    }
    guard statistics.contains(where: { $0.passes > 0 }) else {
      throw ConversionError.noUsableImages(folder: options.calibrationFolder)
    }
    return (statistics, skipped)
  }

  /// - Parameter reused: paths of images whose first copy equalisation has already run.
  private func count(
    _ float: Executable, _ files: [ImageFolder.File], _ sizes: [ServedSize], reusing reused: Set<ExactName>
  ) throws -> ([ActivationStatistics], BrokenImages) {
    let schedule = SizeSchedule(sizes: sizes.count)
    let augmentations = sizes.map { options.augmentation($0.resolution) }
    let calibrator = Calibrator(
      float, observing: QuantizationPlanner.observedValues(in: float.graph), parts: parts)
    var job = ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages)
    job.cache = cache
    let repetitions = options.distinctCopies(sizes: sizes.count)
    let skipped = try job.run(files, progress: progress) { [job] index, file, worker in
      let first = reused.contains(ExactName(file.path)) ? 1 : 0
      guard first < repetitions else { return }
      let image = try job.load(file)
      let part = index % parts
      for repetition in first..<repetitions {
        let number = schedule.size(ofPass: index * repetitions + repetition)
        let copy =
          options.recipe == .none ? 0 : schedule.copy(repetition, ofImage: index, repetitions: repetitions)
        let pixels = try augmentations[number].copy(copy, of: image.pixels, imageKey: image.key)
        let outputs = try calibrator.count(pixels, part: part, worker: worker)
        // Verification sees the same pixels as the first copy.
        if copy == 0 { sizes[number].keep(outputs, of: pixels, path: file.path) }
      }
    }
    return (calibrator.statisticsOfParts(), skipped)
  }
}
