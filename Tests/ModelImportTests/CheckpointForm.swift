import ModelImport
import Testing

/// A form in which people save checkpoints: a file of fixtures/forms, and what becomes of it.
struct CheckpointForm: CustomTestStringConvertible, Sendable {
  enum Outcome: Sendable {
    /// Read as the network of that name.
    case read(String)
    /// Read as the network of that name, with an assumption that has these words.
    case assumed(String, String)
    /// Refused as bad data, with these words.
    case refused(String)
    /// An option is missing; the message has these words.
    case asked(String)
  }

  let file: String
  /// Options as they are spelled on the command line.
  let options: String
  let importer: ModelImporter
  let outcome: Outcome

  init(_ file: String, _ outcome: Outcome, options: String = "", _ change: (inout ModelImporter) -> Void = { _ in }) {
    self.file = file.contains(".") ? file : "\(file).pth"
    self.options = options
    self.outcome = outcome
    var importer = ModelImporter()
    change(&importer)
    self.importer = importer
  }

  var testDescription: String { options.isEmpty ? file : "\(file) \(options)" }

  static let all = wrappers + prefixes + classifiers + extras + pickles + exponents + shards + structures

  private static func state(_ file: String, _ key: String, _ network: String) -> CheckpointForm {
    CheckpointForm(file, .read(network), options: "--state \(key)") { $0.state = key }
  }

  private static func logits(_ file: String, _ layer: String, _ outcome: Outcome) -> CheckpointForm {
    CheckpointForm(file, outcome, options: "--logits-output \(layer)") { $0.logitsOutput = layer }
  }

  private static func structure(
    _ file: String, _ options: String, _ outcome: Outcome, _ change: (inout StructureOptions) -> Void
  ) -> CheckpointForm {
    CheckpointForm("structure-\(file)", outcome, options: options) { change(&$0.structure) }
  }

  private static let wrappers: [CheckpointForm] =
    ["state_dict", "model_state", "net", "weights", "ema", "anything_else"].map {
      .init("wrapper-\($0)", .read("plain"))
    }
    + [
      .init("bare", .read("plain")), .init("nested-three-levels", .read("plain")), .init("tuple", .read("plain")),
      .init("list", .read("plain")), .init("training", .read("plain")), .init("parts", .read("plain")),
      .init("same-network-twice", .read("plain")),
      .init("trunk-and-embedder", .assumed("gem", "'embedder' (2 tensors) is not part of the network")),
      .init("model-and-ema", .asked("'model' and 'model_ema'; choose one with --state model or --state model_ema")),
      state("model-and-ema", "model", "plain"), state("model-and-ema", "model_ema", "other"),
      .init("model-and-ema", .asked("--state other names no network"), options: "--state other") { $0.state = "other" },
      .init("ema-in-one-dictionary", .asked("--state model or --state model_ema")),
      state("ema-in-one-dictionary", "model", "plain"), state("ema-in-one-dictionary", "model_ema", "other"),
      state("ema-in-one-dictionary", "state_dict.model_ema.module", "other"),
      .init("student-and-teacher", .asked("--state student or --state teacher")),
    ]

  private static let prefixes: [CheckpointForm] =
    ["module", "_orig_mod", "model", "backbone", "net", "encoder", "trunk-0-base", "nested"].map {
      .init("prefix-\($0)", .read("plain"))
    } + [
      .init("sequence-plain", .read("plain")), .init("sequence-no-pooling", .read("no-pooling")),
      .init("sequence-small-images", .assumed("small-images", "3x3 stem has stride 1")),
      .init("prefix.safetensors", .read("plain")), .init("lightning", .read("plain")),
      .init("moco", .asked("--state encoder_q or --state encoder_k")), state("moco", "encoder_q", "plain"),
      state("moco", "module.encoder_k", "other"),
      .init("projector-outside", .assumed("gem", "'projector' (2 tensors) is not part of the network")),
      .init("projector-inside", .refused("2 linear layers ('fc.0', 'fc.2'), which is not a classifier")),
      logits("projector-inside", "none", .read("plain")),
      .init("head-outside", .read("plain")),
      .init(
        "neck-between", .refused("no place in it: 'neck.weight', 'neck.bias'; --state backbone reads only the trunk")),
      .init("two-classifiers", .asked("'backbone.fc', 'head'; name one, or none, with --logits-output")),
      logits("two-classifiers", "fc", .read("plain")),
    ]

  private static let classifiers: [CheckpointForm] =
    ["fc-1", "classifier-0", "classifier-1", "head-fc", "last_linear", "linear"].map {
      .init("classifier-\($0)", .read("plain"))
    } + [
      .init(
        "classifier-of-any-name", .refused("'species.bias'; --logits-output species uses this layer as the classifier")
      ),
      logits("classifier-of-any-name", "species", .read("plain")),
      logits("classifier-of-any-name", "genus", .asked("no layer outside of the trunk; there are 'species'")),
      .init("classifier-with-norm", .refused("'fc.0.weight'")),
      .init("no-classifier", .assumed("gem", "pooled by GeM with exponent 3")),
      .init("kuangliu", .assumed("small-images", "3x3 stem has stride 1")),
    ]

  private static let extras: [CheckpointForm] = [
    .init("harmless-buffers", .read("plain")),
    .init("pixel-buffers-of-imagenet", .assumed("plain", "0.229,0.224,0.225, as stored in 'mean' and 'std'")),
    .init(
      "pixel-buffers-others",
      .assumed("plain", "mean 0.5,0.5,0.5 and standard deviation 0.25,0.25,0.25, as stored in 'normalize.mean'")),
    .init("unknown-inside", .refused("no place in it: 'backbone.layer1.0.attention.weight'")),
  ]

  private static let pickles: [CheckpointForm] =
    (1...5).flatMap { protocolVersion in
      ["legacy", "zip"].map { .init("protocol-\(protocolVersion)-\($0)", .read("plain")) }
    } + [
      .init("protocol-0-legacy", .refused("PERSID")),
      .init("objects-alongside-2", .read("plain")), .init("objects-alongside-4", .read("plain")),
      .init("objects-alongside-5", .read("plain")),
      .init("whole-module", .refused("which is not run: save a module's state_dict()")),
      .init(
        "weights-by-another-callable",
        .refused("'layer1.0.conv1.weight': it is made by numpy._core.multiarray._reconstruct, which is not run")),
      .init("hostile", .refused("posix.system")), .init("float16", .read("float16")), .init("float64", .read("plain")),
    ]

  private static let exponents: [CheckpointForm] = [
    .init("exponent-scalar", .read("gem")), .init("exponent-rank1", .read("gem")),
    .init("exponent-rank4", .read("gem")), .init("exponent-int64", .read("gem")),
    .init("exponent-float64", .read("gem2.5")), .init("exponent-float16", .read("gem2.5")),
    .init("exponent-gem-p", .read("gem")), .init("exponent-avgpool-p", .read("gem")),
    .init("exponent-global_pool-p", .read("gem")), .init("exponent-head-global_pool-p", .read("gem")),
    .init("exponent-per-channel", .refused("holds 4 values")),
    .init("exponent-twice", .asked("'pool.p' and 'gem.p'; set one with --pooling-exponent")),
    .init("exponent-twice", .read("gem4"), options: "--pooling-exponent 4") { $0.poolingExponent = 4 },
  ]

  private static let shards: [CheckpointForm] = [
    .init("sharded/model.safetensors.index.json", .read("plain")),
    .init("sharded-bin/pytorch_model.bin.index.json", .read("plain")),
    .init("sharded/model-00001-of-00002.safetensors", .refused("shard 1 of 2 of a checkpoint")),
    .init("sharded-bin/pytorch_model-00002-of-00002.bin", .refused("pytorch_model.bin.index.json")),
    .init("sharded-missing/model.safetensors.index.json", .refused("model-00002-of-00002.safetensors")),
    .init("sharded-lacking/model.safetensors.index.json", .refused("model.fc.weight")),
    .init("sharded-escaping/model.safetensors.index.json", .refused("outside of the model's folder")),
  ]

  private static let structures: [CheckpointForm] = [
    .init("structure-small-images", .assumed("small-images", "3x3 stem has stride 1 and no max pooling")),
    .init("structure-stem5", .asked("--stem")),
    structure("stem5", "--stem 2", .read("stem5")) { $0.stem = .init(stride: 2, pools: false) },
    .init("structure-bottleneck", .assumed("bottleneck", "3x3 convolution, conv2")),
    structure("stride-in-conv1", "--stride-in conv1", .read("stride-in-conv1")) {
      $0.bottleneckStride = .firstConvolution
    },
    structure("output-stride-16", "--output-stride 16", .read("output-stride-16")) { $0.outputStride = 16 },
    structure("output-stride-8", "--output-stride 8", .read("output-stride-8")) { $0.outputStride = 8 },
    structure("last-stride-1", "--last-stride 1", .read("last-stride-1")) { $0.lastStride = 1 },
    structure("epsilon", "--bn-epsilon 0.01", .read("epsilon")) { $0.batchNormEpsilon = 0.01 },
    structure("small-images", "--stride-in conv1", .asked("--stride-in has no effect on resnet[1, 1, 1]")) {
      $0.bottleneckStride = .firstConvolution
    },
    .init("structure-deep-stem", .refused("8 tensors are missing: 'conv1.1.weight'")),
    structure("pooled-shortcut", "--output-stride 16", .refused("have no dilated form")) { $0.outputStride = 16 },
    .init("structure-excited", .refused("'layer1.0.se.fc.0.weight'")),
    .init("structure-group-norm", .refused("'bn1.running_mean'")),
    .init("structure-even-kernel", .refused("kernel of 4x4")),
  ]
}
