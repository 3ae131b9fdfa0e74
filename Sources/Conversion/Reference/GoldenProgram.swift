import Files
import Graphs
import ModelImport
import Pixels

/// A Python program that runs a model with its framework on a folder of images and writes the outputs in the form that
/// `GoldenFile` reads.
package struct GoldenProgram: Sendable {
  /// The framework that runs the model.
  package enum Framework: String, Sendable, CaseIterable {
    case pytorch
    case onnxruntime
  }

  /// The framework that runs the model.
  package var framework: Framework
  /// The model's path, as the program opens it.
  package var model: String
  /// How the program resizes and crops images.
  package var evaluation: EvaluationProtocol
  /// The mean and the standard deviation of each channel, by which the program normalises pixels.
  package var preprocessing: Preprocessing
  /// The order in which the model takes the channels.
  package var channelOrder = ChannelOrder.rgb
  /// Whether images are turned as their EXIF data say.
  package var turnsUpright = false
  /// The maximum number of images.
  package var count = 64

  package init(
    framework: Framework, model: String, evaluation: EvaluationProtocol, preprocessing: Preprocessing
  ) {
    self.framework = framework
    self.model = model
    self.evaluation = evaluation
    self.preprocessing = preprocessing
  }

  /// The program, ending with a newline.
  package var text: String {
    """
    # Writes what \(name) computes for a folder of images, for 'quern convert --golden' and 'quern verify --golden'.
    #     python golden.py IMAGES golden.safetensors
    import hashlib, json, pathlib, sys
    import numpy as np, \(module)
    from PIL import \(turnsUpright ? "Image, ImageOps" : "Image")
    from safetensors.numpy import save_file

    \(modelLines)

    size, mean, std = \(evaluation.size), np.float32(\(list(preprocessing.mean))), np.float32(\(list(preprocessing.std)))

    def load(path):  # -> [1, 3, height, width]
        image = \(turnsUpright ? "ImageOps.exif_transpose(Image.open(path))" : "Image.open(path)").convert("RGB")
        w, h = image.size
    \(resizeLines)
        pixels = (np.asarray(image, np.float32) / 255 - mean) / std
        return np.ascontiguousarray(pixels\(channelOrder == .bgr ? "[..., ::-1]" : "").transpose(2, 0, 1)[None])

    paths = sorted(p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    count = min(\(count), len(paths))
    paths = [paths[i * len(paths) // count] for i in range(count)]
    rows = {}
    for path in paths:
        batch = load(path)
        for name, value in {**run(batch), "input": batch}.items():
            rows.setdefault(name, []).append(np.asarray(value, np.float32))
    if len({batch.shape for batch in rows["input"]}) > 1:
        del rows["input"]  # Images of different shapes do not fit into one tensor.
    save_file({name: np.concatenate(values) for name, values in rows.items()}, sys.argv[2], {
        "framework": "\(name) " + \(version).split("+")[0],
        "sha256": json.dumps([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]),
        "size": str(size), "crop": "\(evaluation.crop.rawValue)", "resize": "\(evaluation.filter.rawValue)", \
    "crop_ratio": "\(evaluation.cropRatio)",
        "channel_order": "\(channelOrder.rawValue)", "exif_orientation": "\(turnsUpright)",
        "mean": json.dumps(mean.tolist()), "std": json.dumps(std.tolist())})

    """
  }

  /// Whether a file begins with the comment that programs begin with, in this version and in earlier ones.
  package static func isOne(_ file: MappedFile) -> Bool {
    let line = file.withBytes { bytes in String(decoding: bytes.prefix(200).prefix { $0 != 0x0A }, as: UTF8.self) }
    return line.hasPrefix("# ") && line.contains("for 'quern convert --golden' and 'quern verify --golden'")
  }

  private var name: String { framework == .pytorch ? "PyTorch" : "ONNX Runtime" }
  private var module: String { framework == .pytorch ? "torch" : "onnxruntime" }
  private var version: String { "\(module).__version__" }

  private var modelLines: String {
    switch framework {
    case .pytorch:
      """
      # EDIT: build the model, load its weights, and name its outputs: "normalized_embedding" or "embedding" [1, D], and/or
      # "logits" [1, classes].
      import torchvision
      model = torchvision.models.resnet50()
      model.load_state_dict(torch.load(\(quoted(model)), map_location="cpu"))
      model.eval()

      @torch.no_grad()
      def run(batch):
          return {"logits": model(torch.from_numpy(batch))}
      # END OF EDIT
      """
    case .onnxruntime:
      """
      options = onnxruntime.SessionOptions()
      # The model as it is written: on some processors, sums of fused integer operators saturate.
      options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
      session = onnxruntime.InferenceSession(\(quoted(model)), options, providers=["CPUExecutionProvider"])
      names = [output.name for output in session.get_outputs()]
      # EDIT: name the model's outputs: "normalized_embedding" or "embedding" [1, D], and/or "logits" [1, classes].
      outputs = {n: n for n in names if n in ("normalized_embedding", "embedding", "logits")} or {"logits": names[0]}
      # END OF EDIT

      def run(batch):
          return dict(zip(outputs, session.run(list(outputs.values()), {session.get_inputs()[0].name: batch})))
      """
    }
  }

  private var resizeLines: String {
    let filter = evaluation.filter.rawValue.uppercased()
    switch evaluation.crop {
    case .square:
      return """
            short = int(size / \(evaluation.cropRatio))
            w, h = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
            left, top = round((w - size) / 2), round((h - size) / 2)
            image = image.resize((w, h), Image.\(filter)).crop((left, top, left + size, top + size))
        """
    case .rect:
      return """
            w, h = (size, int(size * h / w)) if w >= h else (int(size * w / h), size)
            image = image.resize((w, h), Image.\(filter))
        """
    }
  }

  private func list(_ values: [Float]) -> String { "[\(values.map { "\($0)" }.joined(separator: ", "))]" }

  /// A Python string literal.
  private func quoted(_ text: String) -> String {
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      case "\r": "\\r"
      default: String(scalar)
      }
    }
    return "\"\(escaped.joined())\""
  }
}
