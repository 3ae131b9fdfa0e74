import Graphs
import Operators
import Pixels
import Runtime
import Tensors
import Threads

/// Embeds images for one caller at a time. Memory is allocated for the first image of a size; images of the same size
/// need none after it, as long as no more than `sizeLimit` sizes take turns.
///
/// Results are the same bits for any number of threads, and whether images are given alone or in a batch.
///
/// Not thread-safe: use one session per thread.
package final class EmbeddingSession {
  /// How a session runs.
  package struct Options: Hashable, Sendable {
    /// The number of threads, including the caller's; at least 1.
    package var threads: Int
    /// Whether images are resized and cropped as the package says; otherwise they are the network's input.
    package var resizes: Bool
    /// The image size in pixels; `nil` for the package's first.
    package var side: Int?
    /// The exponent of GeM pooling; `nil` for that of the size.
    package var poolingExponent: Double?

    package init(threads: Int, resizes: Bool = true, side: Int? = nil, poolingExponent: Double? = nil) {
      (self.threads, self.resizes, self.side, self.poolingExponent) = (threads, resizes, side, poolingExponent)
    }
  }

  /// What is computed for images. Rows follow each other without gaps.
  package struct Outputs: @unchecked Sendable {
    /// The L2-normalised embeddings, [images, dimension]; `nil` to leave them out.
    package let embeddings: UnsafeMutablePointer<Float>?
    /// The logits, [images, classes]; `nil` to leave them out.
    package let logits: UnsafeMutablePointer<Float>?

    package init(embeddings: UnsafeMutablePointer<Float>?, logits: UnsafeMutablePointer<Float>?) {
      (self.embeddings, self.logits) = (embeddings, logits)
    }
  }

  /// The number of image sizes for which memory is kept.
  package static let sizeLimit = 8

  /// The number of elements of an embedding; 0 where the network's outputs contain none.
  package let dimension: Int
  /// The number of logits; 0 where the network's outputs contain none.
  package let classCount: Int
  private let resizes: Bool
  private let evaluation: EvaluationProtocol
  private let session: Session
  /// `nil` where the network takes pixels.
  private let normalization: PixelNormalization?
  private var sizes: [ReservedSize] = []
  /// The number of runs so far, by which sizes that were used least recently are found.
  private var clock = 0
  private let scratch: [ScratchMemory]

  /// - Parameters:
  ///   - model: the network, whose weights must be loaded.
  ///   - options: how to run it.
  /// - Throws: `InferenceError.noWeights`; `.image` for a size that no image can have; `.noPooling`, or `.graph` for an
  ///   exponent that cannot be used, or where the network cannot take images of the size.
  package init(_ model: EmbeddingModel, _ options: Options) throws(InferenceError) {
    guard let executable = model.executable else { throw .noWeights }
    let resolution = try model.resolution(side: options.side, exponent: options.poolingExponent)
    let pooled: Executable
    do throws(GraphError) {
      pooled = try executable.pooling(by: resolution.poolingExponent)
      if options.resizes { _ = try pooled.graph.inferShapes(input: [1, resolution.side, resolution.side, 3]) }
    } catch {
      throw .graph(error)
    }
    let outputs = pooled.graph.outputs.map(\.name)
    dimension = outputs.contains(GraphOutput.normalizedEmbedding) ? model.info.embeddingDimension : 0
    classCount = outputs.contains(GraphOutput.logits) ? model.info.classCount : 0
    (resizes, evaluation) = (options.resizes, resolution.evaluation)
    session = Session(pooled, team: ThreadTeam(count: options.threads))
    normalization = pooled.takesPixels ? nil : PixelNormalization(pooled.graph.preprocessing)
    scratch = (0..<session.team.count).map { _ in ScratchMemory() }
  }

  /// Computes the outputs for some images, which may differ in size.
  ///
  /// - Parameters:
  ///   - images: the pixels, whose sizes must be positive.
  ///   - outputs: where to write.
  /// - Throws: `InferenceError.image` for an image that cannot be resized; `.graph` where the network cannot take an
  ///   image, or memory for activations does not suffice; `.memory` where memory for resizing does not suffice.
  ///   Outputs may have been written for some of the images then.
  package func embed(_ images: UnsafeBufferPointer<PixelView>, to outputs: Outputs) throws(InferenceError) {
    let threads = session.team.count
    // As many images as possible are evaluated by a thread each, and those that are left over by all threads together.
    let spread = threads > 1 ? images.count / threads * threads : 0
    var start = 0
    while start < spread {
      let end = try reserve(images, start..<spread)
      session.team.forEach(end - start, with: (session: self, images: images, start: start, outputs: outputs)) {
        state, offset, worker in
        state.session.run(state.images, state.start + offset, worker: worker, to: state.outputs)
      }
      start = end
    }
    for index in start..<images.count {
      _ = try reserve(images, index..<index + 1, together: true)
      run(images, index, worker: nil, to: outputs)
    }
  }

  /// Reserves memory for images, up to the first one with which there would be more sizes than are kept.
  ///
  /// - Returns: the index after the last image that memory is reserved for.
  private func reserve(
    _ images: UnsafeBufferPointer<PixelView>, _ range: Range<Int>, together: Bool = false
  ) throws(InferenceError) -> Int {
    clock += 1
    var (end, count, isNew) = (range.lowerBound, 0, false)
    while end < range.upperBound {
      let known = entry(of: images[end])
      if known?.lastUse != clock {
        // A further size would take the place of one that an image of this run needs.
        if count == Self.sizeLimit { break }
        let size = if let known { known } else { try addEntry(of: images[end], index: images.count > 1 ? end : nil) }
        (size.lastUse, count) = (clock, count + 1)
        if try reserve(size, together: together) { isNew = true }
      }
      end += 1
    }
    // A larger size moves the memory of all others. They are renewed now, so that their next images allocate nothing.
    if isNew { for size in sizes { try size.renew(in: session) } }
    return end
  }

  /// - Returns: whether activations were reserved anew.
  private func reserve(_ size: ReservedSize, together: Bool) throws(InferenceError) -> Bool {
    guard try size.reserve(in: session, scratch, together: together),
      let evaluation = size.evaluation(worker: together ? nil : 0)
    else { return false }
    try check(GraphOutput.normalizedEmbedding, of: evaluation, dimension)
    try check(GraphOutput.logits, of: evaluation, classCount)
    return true
  }

  /// Checks that an output has the elements that the package states, if any.
  private func check(_ output: String, of evaluation: Evaluation, _ count: Int) throws(InferenceError) {
    let actual = evaluation.outputCount(output) ?? 0
    guard count == 0 || actual == count else {
      throw .graph(.structure("the output '\(output)' has \(actual) elements, but the package states \(count)"))
    }
  }

  /// The entry of an image's size; `nil` where there is none.
  private func entry(of image: PixelView) -> ReservedSize? {
    sizes.first { $0.height == image.height && $0.width == image.width }
  }

  /// Makes an entry for an image's size, which takes the place of the least recently used one where there are too many.
  private func addEntry(of image: PixelView, index: Int?) throws(InferenceError) -> ReservedSize {
    let resizing: ResamplingPlan?
    do throws(ImageError) {
      resizing = resizes ? try evaluation.plan(height: image.height, width: image.width) : nil
    } catch {
      throw .image(index: index, error)
    }
    let size = ReservedSize(height: image.height, width: image.width, resizing, normalizes: normalization != nil)
    if sizes.count == Self.sizeLimit,
      let oldest = sizes.indices.min(by: { sizes[$0].lastUse < sizes[$1].lastUse })
    {
      sizes.remove(at: oldest)
    }
    sizes.append(size)
    return size
  }

  /// Evaluates an image whose size is reserved.
  private func run(_ images: UnsafeBufferPointer<PixelView>, _ index: Int, worker: Int?, to outputs: Outputs) {
    let image = images[index]
    guard let size = entry(of: image), let evaluation = size.evaluation(worker: worker) else {
      preconditionFailure("no memory is reserved for image \(index)")
    }
    let memory = scratch[worker ?? 0]
    evaluation.run { input in
      guard let normalization else {
        return size.resize(image, scratch: memory.bytes, to: input.bindMemory(to: UInt8.self).baseAddress)
      }
      let pixels = memory.bytes
      size.resize(image, scratch: pixels.map { $0 + size.inputByteCount }, to: pixels)
      normalization.apply(
        UnsafeBufferPointer(start: pixels, count: size.inputByteCount), to: input.bindMemory(to: Float.self))
    }
    copy(GraphOutput.normalizedEmbedding, of: evaluation, index, dimension, to: outputs.embeddings)
    copy(GraphOutput.logits, of: evaluation, index, classCount, to: outputs.logits)
  }

  private func copy(
    _ name: String, of evaluation: Evaluation, _ index: Int, _ count: Int, to rows: UnsafeMutablePointer<Float>?
  ) {
    guard let rows else { return }
    let copied = evaluation.copyOutput(name, to: UnsafeMutableBufferPointer(start: rows + index * count, count: count))
    precondition(copied == count, "the output '\(name)' has \(copied) elements, not \(count)")
  }
}
