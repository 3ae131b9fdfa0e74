import Tensors

/// What is left of a checkpoint once its network is built, and whether that may be left out.
struct Leftovers {
  private(set) var notes: [String] = []
  private(set) var assumptions: [ImportAssumption] = []

  /// - Parameters:
  ///   - state: after trunk and head have taken their tensors.
  ///   - root: what stands before the keys of the outermost module that is a part of the network.
  ///   - scopes: the modules around the trunk.
  ///   - isExplicit: whether the user named the network, and with it what is not a part of it.
  /// - Throws: `ImportError.leftOver` for tensors inside of the network that it has no use for: they may compute something.
  init(
    of state: StateDictionary, root: String, _ scopes: Scopes, isExplicit: Bool, architecture: String
  ) throws(ImportError) {
    let trunk = scopes.prefixes[0]
    // Modules are told apart wherever they are, also beyond those that may be a part of the network.
    let scopes = Scopes(prefix: trunk, floor: "")
    var unexpected: [String] = []
    var training: [String] = []
    var outside: [(module: String, count: Int, computes: Bool)] = []
    for name in state.untaken {
      let (scope, parts) = scopes.innermost(of: name) ?? ("", name.split(separator: ".").map(String.init))
      if Self.isKeptByTraining(parts) {
        if parts.last != "num_batches_tracked" { training.append(name) }
      } else if name.hasPrefix(root) {
        unexpected.append(name)
      } else {
        let module = scope + (parts.first ?? "")
        let computes = HeadSearch.isWeight(name) && state.elementType(name)?.isFloatingPoint == true
        if let index = outside.firstIndex(where: { $0.module == module }) {
          outside[index].count += 1
          outside[index].computes = outside[index].computes || computes
        } else {
          outside.append((module, 1, computes))
        }
      }
    }
    if !unexpected.isEmpty {
      throw .leftOver(
        architecture: architecture, names: unexpected, advice: Self.advice(unexpected, state, root: root, trunk: trunk))
    }
    if let first = training.first {
      notes.append(
        "\(training.count) tensor\(training.count == 1 ? "" : "s") that training keeps are left out, such as '\(first)'"
      )
    }
    for (module, count, computes) in outside {
      let tensors = count == 1 ? "" : " (\(count) tensors)"
      if computes, !isExplicit {
        assumptions.append(.leavingOut(module, tensors: count))
      } else {
        notes.append("'\(module)'\(tensors) is left out, which is outside of the network")
      }
    }
  }

  /// The option that says what tensors without a place are, if there is one.
  private static func advice(_ names: [String], _ state: StateDictionary, root: String, trunk: String) -> String? {
    if names.allSatisfy({ !$0.hasPrefix(trunk) }) { return "--state \(trunk.dropLast()) reads the trunk alone" }
    let layers = names.filter { $0.hasSuffix(".weight") && state.shape($0)?.rank == 2 }
    let classifier = layers.first?.dropLast(".weight".count) ?? ""
    guard layers.count == 1, names.allSatisfy({ $0.hasPrefix(classifier + ".") }) else { return nil }
    return "--logits-output \(classifier.dropFirst(root.count)) takes the layer for the classifier"
  }

  /// Names of buffers and modules that carry nothing for inference, wherever they are.
  private static func isKeptByTraining(_ parts: [String]) -> Bool {
    guard let last = parts.last, let first = parts.first else { return false }
    return buffers.contains(last) || trainingModules.contains(first) || parts.count == 1 && counters.contains(last)
      || ["_loss", "_metric", "_metrics", "_criterion"].contains(where: first.hasSuffix)
  }

  private static let buffers: Set<String> = [
    // Batch norm, thop's profile, averaged and quantisation-aware models, exponential moving averages, MoCo.
    "num_batches_tracked", "total_ops", "total_params", "n_averaged", "num_updates", "initted", "queue", "queue_ptr",
  ]

  /// Numbers that are a module's own; below a layer, `step` is one of its weights in some quantised networks.
  private static let counters: Set<String> = ["decay", "step", "global_step", "epoch", "iteration", "center"]

  private static let trainingModules: Set<String> = [
    "weighted_sampling", "criterion", "loss", "losses", "loss_fn", "loss_func", "metric", "metrics", "train_metrics",
    "val_metrics", "test_metrics", "train_acc", "val_acc", "test_acc", "accuracy", "queue",
  ]
}

extension ImportAssumption {
  /// What lies around a network and might compute something is taken to be no part of it.
  static func leavingOut(_ module: String, tensors: Int) -> ImportAssumption {
    let count = tensors == 1 ? "" : " (\(tensors) tensors)"
    return ImportAssumption("'\(module)'\(count) is no part of the network, whose embedding is the trunk's")
  }
}
