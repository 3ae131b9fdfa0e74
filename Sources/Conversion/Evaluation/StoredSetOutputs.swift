import Fidelity
import Files
import Graphs
import PrintableText
import Retrieval
import Suggestions

/// Embeddings, and logits where there are any, of the images of a set, computed elsewhere and stored in a file.
struct StoredSetOutputs {
  let file: OutputFile

  /// - Throws: what reading the file throws; `ConversionError.wrongKind` where it has no embeddings.
  init(path: String) throws {
    file = try OutputFile(path: path)
    guard file.embeddings != nil else { throw ConversionError.wrongKind("\(path): it has no embeddings to search by") }
  }

  /// The set's images as the file names them.
  ///
  /// - Throws: `ConversionError.option` where it names none; `RetrievalError.file` where it names one twice.
  func listed() throws -> ListedImages {
    guard let names = file.names else {
      throw ConversionError.option(
        "\(file.path) does not name its images (safetensors metadata 'files'); give the folder of images by --data")
    }
    return try ListedImages(names: names, source: file.path)
  }

  /// The outputs for the images of a task. Where the file does not name its images, its rows are those of all images of
  /// the set in the order of their names.
  ///
  /// - Parameters:
  ///   - list: all images of the set.
  ///   - labels: the label of each image of the task.
  /// - Throws: `ConversionError.wrongKind` where the file lacks an image or has another number of rows, `.notFinite`
  ///   for values that are NaN or infinite; `RetrievalError.file` where it has an image twice.
  func outputs(_ task: RetrievalTask, _ list: ListedImages, labels: TaskLabels) throws -> SetOutputs {
    guard let embeddings = file.embeddings else { return SetOutputs(rows: [], hits: []) }
    if file.names == nil, file.count != list.images.count {
      throw ConversionError.wrongKind(
        "\(file.path): it has \(file.count) rows without names, but \(list.source) has \(list.images.count) images")
    }
    let names = file.names ?? list.images.map(\.name)
    if let twice = names.firstRepeated {
      throw RetrievalError.file(path: file.path, problem: "two rows are of \(printable(twice))")
    }
    let places = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    var (rows, hits, answers) = ([[Float]](), [ClassHit?](), [SHA256.Digest?]())
    for (index, image) in task.embeddedImages.enumerated() {
      guard let place = places[image.name] else {
        throw ConversionError.wrongKind("\(file.path): it has no row for \(image.name)")
      }
      rows.append(try embeddings[place].checkedForRanking(of: image, from: file.path))
      hits.append(
        try labels.labels[index].flatMap { label in
          try file.logits.map { try ClassHit(label: label, checked: $0[place], of: image, from: file.path) }
        })
      answers.append(labels.labels[index].flatMap { _ in file.logits?[place].bitDigest })
    }
    return SetOutputs(rows: task.queries.isEmpty ? [] : rows, hits: hits, answers: answers)
  }

  /// Remarks for the report, a sentence each.
  func notes(_ task: RetrievalTask) -> [String] {
    var notes: [String] = []
    if file.names == nil {
      notes.append("\(file.path): the rows are taken to be of the images in the order of their names")
    }
    if let names = file.names, names.count > task.embeddedImages.count {
      let extra = Set(names).subtracting(task.embeddedImages.map(\.name)).count
      if extra > 0 { notes.append("\(file.path): \(extra) rows are of images that are not searched, and are left out") }
    }
    if task.embeddedImages.contains(where: { $0.box != nil }) {
      notes.append("\(file.path): the embeddings of queries are taken to be of images cropped to the boxes")
    }
    return notes
  }
}
