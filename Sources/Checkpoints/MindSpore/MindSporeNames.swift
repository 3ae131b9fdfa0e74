import Tensors

/// Gives the tensors of a MindSpore file the names that PyTorch has for them, and leaves out what training keeps beside them.
///
/// | MindSpore | PyTorch |
/// |---|---|
/// | `gamma` | `weight` |
/// | `beta` | `bias` |
/// | `moving_mean` | `running_mean` |
/// | `moving_variance` | `running_var` |
///
/// as the last part of a name, where a `gamma` stands beside a `moving_mean`: so in a batch norm, and not in a layer norm.
/// All else is named alike. The names of MindSpore's own model zoos (`down_sample_layer`, `end_point`) are not translated:
/// their ResNets pad to the "same" size, unevenly, and are other networks than PyTorch's.
enum MindSporeNames {
  private static let batchNorm = [
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
  ]

  /// What MindSpore's optimizers put before a parameter's name to name their state for it.
  private static let slots: Set<String> = [
    "accum", "adam_m", "adam_v", "lamb_m", "lamb_v", "linear", "mean_grad", "mean_square", "moment", "moment1",
    "moment2", "moments", "prev", "stat", "step_size",
  ]

  /// Whether a file of a format that others write, too, comes from MindSpore.
  static func isMindSpore(_ contents: CheckpointContents) -> Bool {
    contents.metadata["format"] == "ms"
      || contents.tensors.contains { name, _ in
        let (module, last) = split(name)
        return last == "moving_mean" && contents.tensors["\(module)gamma"] != nil
      }
  }

  /// - Throws: `FormatError` where two tensors would have one name, or all are an optimizer's.
  static func translate(_ contents: CheckpointContents) throws(FormatError) -> CheckpointContents {
    var result = contents
    result.tensors = NamedTensors()
    var states: [(slot: String, count: Int)] = []
    for (name, tensor) in contents.tensors {
      if let slot = slot(name, in: contents.tensors) {
        if let known = states.firstIndex(where: { $0.slot == slot }) {
          states[known].count += 1
        } else {
          states.append((slot, 1))
        }
      } else if isTrainingState(name, tensor) {
        result.ignored.append(.init(name: name, reason: "a number that training keeps"))
      } else {
        let new = translated(name, in: contents.tensors)
        guard result.tensors.append(tensor, named: new) else {
          throw .unreadableTensor(name: name, reason: "PyTorch names it \(new), and another tensor has that name, too")
        }
      }
    }
    for (slot, count) in states {
      result.ignored.append(.init(name: "\(slot).*", reason: "optimizer state, \(count) tensors"))
    }
    guard !result.tensors.isEmpty else {
      throw .noStateDict(reason: "the file holds only what an optimizer keeps; save the network")
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

  /// The slot of an optimizer that keeps `name` for another tensor of the file.
  private static func slot(_ name: String, in tensors: NamedTensors) -> String? {
    guard let dot = name.firstIndex(of: ".") else { return nil }
    let slot = String(name[..<dot])
    return slots.contains(slot) && tensors[String(name[name.index(after: dot)...])] != nil ? slot : nil
  }

  /// Step counts, learning rates, and numbers that a training script added: no layer's, whose names have a dot.
  private static func isTrainingState(_ name: String, _ tensor: Tensor) -> Bool {
    !name.contains(".") && (tensor.shape.rank == 0 || name == "global_step" || name.hasPrefix("learning_rate"))
  }

  /// The part behind the last dot, and all before it.
  private static func split(_ name: String) -> (module: String, last: String) {
    guard let dot = name.lastIndex(of: ".") else { return ("", name) }
    return (String(name[...dot]), String(name[name.index(after: dot)...]))
  }
}
