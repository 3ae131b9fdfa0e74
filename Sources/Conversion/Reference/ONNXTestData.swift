import Checkpoints
import Fidelity
import Files
import FoundationEssentials
import Glibc
import Graphs
import Inference
import ModelImport
import Runtime
import Tensors
import Threads

/// A model's expected outputs by ONNX's own convention: folders `test_data_set_0`, `test_data_set_1` … next to the
/// model, each with `input_0.pb`, `output_0.pb`, `output_1.pb` …, with one TensorProto in each file.
struct ONNXTestData {
  /// The tensors of one folder.
  private struct DataSet {
    let name: String
    /// [batch, height, width, 3], float32.
    let input: Tensor
    /// [batch, width], float32.
    let outputs: [FloatRows]
  }

  private var sets: [DataSet] = []
  private let producer: String
  /// Which test data was found but is not used, and why, a sentence each.
  private(set) var warnings: [String] = []
  /// Which test data was left out because there is much of it, a sentence each.
  private(set) var notes: [String] = []

  /// The maximum number of folders that are read.
  private static let setLimit = 16

  /// - Parameter path: the model's path.
  /// - Throws: the error of the system where the folder of the model cannot be listed, or where test data is there but
  ///   cannot be reached or read: it might not match.
  init(path: String, model: ONNXModel) throws {
    producer = [model.producer, model.producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    let names = try Folder.names(in: folder.path)
    let numbered = names.compactMap { name -> (number: Int, name: String)? in
      let prefix = "test_data_set_"
      guard name.hasPrefix(prefix), let number = Int(name.dropFirst(prefix.count)) else { return nil }
      return (number, name)
    }.sorted { $0.number < $1.number }
    for (_, name) in numbered.prefix(Self.setLimit) {
      let dataFolder = folder.appendingPathComponent(name)
      do {
        sets.append(try Self.read(dataFolder, name, model))
      } catch let error as CheckpointError where error.kind != .badData {
        throw error
      } catch let error as FileError {
        throw error
      } catch {
        // Without the path of the folder, on which no package depends.
        let problem = "\(error)".replacing("\(dataFolder.path)/", with: "")
        warnings.append("\(name) next to the model is not used: \(problem)")
      }
    }
    if numbered.count > Self.setLimit {
      notes.append("only the first \(Self.setLimit) of \(numbered.count) test data sets are used")
    }
  }

  var isEmpty: Bool { sets.isEmpty }

  /// - Throws: `FileError` and `CheckpointError` where a file that is there cannot be reached or read;
  ///   `ConversionError.wrongKind` where a file is missing or of another kind.
  private static func read(_ folder: URL, _ name: String, _ model: ONNXModel) throws -> DataSet {
    guard try FileIdentity.of(folder.path)?.kind == .folder else {
      throw ConversionError.wrongKind("it is not a folder")
    }
    let inputPath = folder.appendingPathComponent("input_0.pb").path
    guard try FileIdentity.of(inputPath) != nil else { throw ConversionError.wrongKind("it has no input_0.pb") }
    let tensor = try ONNXTensorFile.read(path: inputPath).tensor
    guard tensor.shape.rank == 4, tensor.elementCount > 0, let floats = tensor.asFloat32() else {
      throw ConversionError.wrongKind("its input is \(tensor.elementType) \(tensor.shape), not a batch of images")
    }
    let input: Tensor
    if floats.shape[1] == 3 {
      input = floats.permuted([0, 2, 3, 1]).contiguous()
    } else if floats.shape[3] == 3 {
      input = floats
    } else {
      throw ConversionError.wrongKind("its input is \(tensor.shape), not a batch of images with 3 channels")
    }
    var outputs: [FloatRows] = []
    for index in 0..<model.outputs.count {
      let path = folder.appendingPathComponent("output_\(index).pb").path
      guard try FileIdentity.of(path) != nil else { break }
      var output = try ONNXTensorFile.read(path: path).tensor
      // Pooled vectors may keep the shape of a 1x1 map.
      if output.shape.rank == 4, output.shape[2] == 1, output.shape[3] == 1, output.isContiguous {
        output = output.reshaped([output.shape[0], output.shape[1]])
      }
      if let rows = FloatRows(output), rows.count == input.shape[0], rows.width > 0 { outputs.append(rows) }
    }
    guard !outputs.isEmpty else { throw ConversionError.wrongKind("it has no output that is a vector for each image") }
    return DataSet(name: name, input: input, outputs: outputs)
  }

  /// Runs a float network on the inputs. Each expected output is compared with the network's output of the same width:
  /// a vector as long as the embedding with the embedding, both normalised; one as long as the logits with the logits,
  /// or with the result of a Softmax, LogSoftmax or Sigmoid of them. Where several fit, the nearest counts.
  ///
  /// - Returns: `nil` if no output of the network could be compared with the data.
  mutating func check(
    _ executable: Executable, source: SourceInput, tolerances: ReferenceCheck.Tolerances, threads: Int
  ) -> ReferenceCheck? {
    let session = Session(executable, team: ThreadTeam(count: threads))
    var total = OutputDifference()
    var (images, isCompared) = (0, false)
    for set in sets {
      let outputs: [String: Tensor]
      do {
        outputs = try session.run(normalized: source.networkInput(set.input))
      } catch {
        warnings.append("\(set.name) next to the model is not used: \(error)")
        continue
      }
      guard let difference = Self.difference(outputs, set.outputs, tolerances) else {
        warnings.append(
          "\(set.name) next to the model is not used: no output has the width of the embedding or of the logits")
        continue
      }
      isCompared = true
      images += set.input.shape[0]
      total.merge(difference)
    }
    guard isCompared else { return nil }
    return ReferenceCheck(
      framework: "ONNX test data" + (producer.isEmpty ? "" : " (\(producer))"), images: images,
      differences: total.differences, tolerances: tolerances,
      findings: total.differences.passes(tolerances)
        ? [] : ["the network itself differs from the outputs in test_data_set_… next to the model"])
  }

  private static func difference(
    _ actual: [String: Tensor], _ expected: [FloatRows], _ tolerances: ReferenceCheck.Tolerances
  ) -> OutputDifference? {
    let embeddings = actual[GraphOutput.normalizedEmbedding].flatMap(FloatRows.init)
    let logits = actual[GraphOutput.logits].flatMap(FloatRows.init)
    var total: OutputDifference?
    for rows in expected {
      var readings: [OutputDifference] = []
      if let embeddings, embeddings.width == rows.width, embeddings.count == rows.count {
        readings.append(Self.difference(embeddings, rows, isEmbedding: true) { $0 })
      }
      if let logits, logits.width == rows.width, logits.count == rows.count {
        readings += [{ $0 }, softmax, logSoftmax, sigmoid].map {
          Self.difference(logits, rows, isEmbedding: false, $0)
        }
      }
      func badness(_ reading: OutputDifference) -> Double {
        let differences = reading.differences
        return max(
          (differences.embedding ?? 0) / tolerances.embedding, (differences.logits ?? 0) / tolerances.logits)
      }
      guard let nearest = readings.min(by: { badness($0) < badness($1) }) else { continue }
      var sum = total ?? OutputDifference()
      sum.merge(nearest)
      total = sum
    }
    return total
  }

  private static func difference(
    _ actual: FloatRows, _ expected: FloatRows, isEmbedding: Bool, _ transform: ([Float]) -> [Float]
  ) -> OutputDifference {
    (0..<expected.count).reduce(into: OutputDifference()) { result, row in
      let value = transform(actual[row])
      if isEmbedding {
        result.add(
          ImageOutputs(embedding: value, logits: []), expectedEmbedding: expected[row].l2Normalized, expectedLogits: nil
        )
      } else {
        result.add(ImageOutputs(embedding: [], logits: value), expectedEmbedding: nil, expectedLogits: expected[row])
      }
    }
  }

  private static func softmax(_ logits: [Float]) -> [Float] { logSoftmax(logits).map { Float(exp(Double($0))) } }

  private static func logSoftmax(_ logits: [Float]) -> [Float] {
    let largest = Double(logits.max() ?? 0)
    let sum = log(logits.reduce(0) { $0 + exp(Double($1) - largest) })
    return logits.map { Float(Double($0) - largest - sum) }
  }

  private static func sigmoid(_ logits: [Float]) -> [Float] { logits.map { Float(1 / (1 + exp(-Double($0)))) } }
}
