import Files
import Graphs
import Kernels
import Operators
import PackageFormat
import Pixels
import Runtime
import Threads

/// An open package whose network is ready to embed images, for any number of sessions.
package final class EmbeddingModel: Sendable {
  /// The open package with its graph.
  package let network: PackagedNetwork
  /// The sizes, with the exponents that the graph implies, and the numbers of outputs.
  package let info: PackageInfo
  /// The kernels that the network runs with.
  package let kernels: KernelSet
  /// `nil` where the weights were not loaded.
  let executable: Executable?
  private let storedFidelity = Mutex<Result<StoredFidelity, PackageError>?>(nil)

  /// - Parameters:
  ///   - reader: the open package.
  ///   - kernels: the kernels to run with.
  ///   - threads: the number of threads that load weights.
  ///   - loadsWeights: whether to load the weights, without which no session can be created.
  /// - Throws: `InferenceError.package` where the package is damaged, or its graph is not valid or cannot run.
  package init(
    _ reader: PackageReader, kernels: KernelSet = KernelSet(), threads: Int, loadsWeights: Bool = true
  ) throws(InferenceError) {
    do {
      network = try PackagedNetwork(reader)
      executable = loadsWeights ? try network.executable(kernels: kernels, threads: threads) : nil
    } catch {
      throw InferenceError(error)
    }
    info = reader.info.pooling(as: network.graph)
    self.kernels = kernels
  }

  /// The fidelity that the package states.
  ///
  /// - Throws: `InferenceError.package` where the metadata are damaged or not as quern writes them.
  package func fidelity() throws(InferenceError) -> StoredFidelity {
    let result = storedFidelity.withLock { stored in
      if let stored { return stored }
      let result = Result { () throws(PackageError) in
        try StoredFidelity(metadata: network.reader.metadata(), contentHash: network.reader.contentHash)
      }
      stored = result
      return result
    }
    do throws(PackageError) { return try result.get() } catch { throw .package(error) }
  }

  /// How images are used at a size, by default at that of the package.
  ///
  /// - Parameters:
  ///   - side: in pixels; `nil` for the package's first size. A size that the package was not converted for has no
  ///     exponent of its own.
  ///   - exponent: the exponent of GeM pooling; `nil` for that of the size.
  /// - Throws: `InferenceError.image` for a size that no image can have; `.noPooling` for an exponent where nothing
  ///   pools by it; `.graph` for an exponent that is not positive.
  func resolution(side: Int?, exponent: Double?) throws(InferenceError) -> Resolution {
    let evaluation: EvaluationProtocol
    do throws(ImageError) {
      evaluation = try info.standard.evaluation.resized(to: side ?? info.standard.side)
    } catch {
      throw .image(index: nil, error)
    }
    let own = network.graph.poolingExponent
    if let exponent {
      guard own != nil else { throw .noPooling }
      guard exponent > 0 else { throw .graph(.attribute(name: "exponent", expected: "positive")) }
    }
    return Resolution(
      evaluation, poolingExponent: exponent ?? info.resolution(side: evaluation.size)?.poolingExponent ?? own)
  }

  /// The memory that a session needs for images of a size, determined without reserving it.
  ///
  /// - Parameters:
  ///   - options: the options of the session.
  ///   - height: of the images in pixels; `nil` for those of the network's input.
  ///   - width: of the images in pixels; `nil` for those of the network's input.
  /// - Throws: the errors of `EmbeddingSession.init` and `EmbeddingSession.embed`, except `.noWeights`.
  package func memory(
    _ options: EmbeddingSession.Options, height: Int?, width: Int?
  ) throws(InferenceError) -> EmbeddingMemory {
    let input = try input(options, height: height, width: width)
    return try memory(of: [input], threads: options.threads)[0].get()
  }

  /// The memory that sessions of one thread need for images of the network's input size, determined together.
  ///
  /// - Parameter sides: of the network's input, in pixels.
  /// - Returns: for each of `sides`, the memory or why the network cannot run on images of this size.
  /// - Throws: `InferenceError` where the network cannot run on images of any size.
  package func memory(sides: [Int]) throws(InferenceError) -> [Result<EmbeddingMemory, InferenceError>] {
    let inputs = sides.map { side in
      Result { () throws(InferenceError) in
        try input(EmbeddingSession.Options(threads: 1, side: side), height: nil, width: nil)
      }
    }
    var planned = try memory(of: inputs.compactMap { try? $0.get() }, threads: 1)[...]
    return inputs.map { input in input.flatMap { _ in planned.removeFirst() } }
  }

  /// - Returns: for each of the inputs, the memory or why the network cannot run on images of this size.
  private func memory(
    of inputs: [Input], threads: Int
  ) throws(InferenceError) -> [Result<EmbeddingMemory, InferenceError>] {
    do {
      let estimates = try MemoryEstimate.estimates(
        network.graph, inputs: inputs.map { (height: $0.height, width: $0.width) }, threads: threads, kernels: kernels,
        loading: network.reader.constantsByNode())
      network.reader.releasePages()
      return zip(estimates, inputs).map { estimate, input in
        estimate.map { EmbeddingMemory($0, threads: threads, resizing: input.resizing) }
          .mapError(InferenceError.graph)
      }
    } catch {
      throw InferenceError(error)
    }
  }

  /// The network's input, and what resizing to it needs in bytes.
  private struct Input {
    let height: Int
    let width: Int
    let resizing: Int
  }

  private func input(
    _ options: EmbeddingSession.Options, height: Int?, width: Int?
  ) throws(InferenceError) -> Input {
    let resolution = try resolution(side: options.side, exponent: options.poolingExponent)
    let source = (height: height ?? resolution.side, width: width ?? resolution.side)
    var (input, resizing) = (source, 0)
    if options.resizes {
      let plan: ResamplingPlan
      do throws(ImageError) {
        plan = try resolution.evaluation.plan(height: source.height, width: source.width)
      } catch {
        throw .image(index: nil, error)
      }
      input = (plan.height, plan.width)
      resizing = plan.weightByteCount + options.threads * plan.scratchByteCount
    }
    if network.graph.format(of: network.graph.input) == .float32 {
      resizing += options.threads * input.height * input.width * 3
    }
    return Input(height: input.height, width: input.width, resizing: resizing)
  }
}

/// Sizes in bytes, see `EmbeddingModel.memory`.
package struct EmbeddingMemory: Hashable, Sendable {
  /// The packed weights, which all sessions share.
  package let model: Int
  /// The largest constants of a node, which a thread needs besides while the model is opened.
  package let loading: Int
  /// The activations of a session, and what resizing needs.
  package let session: Int
  /// What a process with one session needs at the same time.
  package var peak: Int { model + max(loading, session) }
}

extension EmbeddingMemory {
  fileprivate init(_ estimate: MemoryEstimate, threads: Int, resizing: Int) {
    self.init(
      model: estimate.weights, loading: estimate.loading, session: estimate.session(threads: threads) + resizing)
  }
}
