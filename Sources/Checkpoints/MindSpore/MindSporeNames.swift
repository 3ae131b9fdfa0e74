import Tensors

/// Gives the tensors of a MindSpore file PyTorch's names, and leaves out the file's training state.
///
/// | MindSpore | PyTorch |
/// |---|---|
/// | `gamma` | `weight` |
/// | `beta` | `bias` |
/// | `moving_mean` | `running_mean` |
/// | `moving_variance` | `running_var` |
///
/// These are translated as the last part of a name, if the same module has both a `gamma` and a `moving_mean`, which is
/// so in a batch norm and not in a layer norm. All other names are the same in both frameworks. The names of
/// MindSpore's model zoos (`down_sample_layer`, `end_point`) are not translated, because their ResNets pad unevenly to
/// the "same" size and are therefore not the networks of PyTorch.
enum MindSporeNames {
  private static let batchNorm = [
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
  ]

  /// The prefixes that MindSpore's optimisers add to a parameter's name to name their state for it.
  private static let slots: Set<String> = [
    "accum", "adam_m", "adam_v", "lamb_m", "lamb_v", "linear", "mean_grad", "mean_square", "moment", "moment1",
    "moment2", "moments", "prev", "stat", "step_size",
  ]

  /// Whether MindSpore wrote a file whose format other frameworks write, too.
  static func isMindSpore(_ contents: CheckpointContents) -> Bool {
    contents.metadata["format"] == "ms"
      || contents.tensors.contains { name, _ in
        let (module, last) = split(name)
        return last == "moving_mean" && contents.tensors["\(module)gamma"] != nil
      }
  }

  /// - Throws: `FormatError.unreadableTensor` if two tensors would have the same name, and `FormatError.noStateDict` if
  ///   all are training state.
  static func translate(_ contents: CheckpointContents) throws(FormatError) -> CheckpointContents {
    var result = contents
    result.tensors = NamedTensors()
    var states: [(slot: String, count: Int)] = []
    for (name, tensor) in contents.tensors {
      if let slot = slot(name, in: contents.tensors) {
        if let index = states.firstIndex(where: { $0.slot == slot }) {
          states[index].count += 1
        } else {
          states.append((slot, 1))
        }
      } else if isTrainingState(name, tensor) {
        result.ignored.append(.init(name: name, reason: "training state"))
      } else {
        let new = translated(name, in: contents.tensors)
        guard result.tensors.append(tensor, named: new) else {
          throw .unreadableTensor(name: name, reason: "its name in PyTorch, \(new), is also that of another tensor")
        }
      }
    }
    for (slot, count) in states {
      result.ignored.append(.init(name: "\(slot).*", reason: "optimiser state, \(count) tensors"))
    }
    guard !result.tensors.isEmpty else {
      throw .noStateDict(reason: "the file contains only training state; save the network")
    }
    return result
  }

  private static func translated(_ name: String, in tensors: NamedTensors) -> String {
    let (module, last) = split(name)
    guard let new = batchNorm[last], tensors["\(module)gamma"] != nil, tensors["\(module)moving_mean"] != nil else {
      return name
    }
    return module + new
  }

  /// The prefix of a name, if `name` is the state that an optimiser has for another tensor of the file.
  private static func slot(_ name: String, in tensors: NamedTensors) -> String? {
    guard let dot = name.firstIndex(of: ".") else { return nil }
    let slot = String(name[..<dot])
    return slots.contains(slot) && tensors[String(name[name.index(after: dot)...])] != nil ? slot : nil
  }

  /// Step counts, learning rates, and numbers that a training script added. The names of layers' parameters have a dot.
  private static func isTrainingState(_ name: String, _ tensor: Tensor) -> Bool {
    !name.contains(".") && (tensor.shape.rank == 0 || name == "global_step" || name.hasPrefix("learning_rate"))
  }

  /// The part of a name up to and including the last dot, and the part after it.
  private static func split(_ name: String) -> (module: String, last: String) {
    // By bytes: a step backwards over flags goes to the first of them.
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return ("", name) }
    let last = name.utf8.index(after: dot)
    return (String(name[..<last]), String(name[last...]))
  }
}
