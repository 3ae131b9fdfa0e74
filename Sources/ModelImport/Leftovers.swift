import Suggestions
import Tensors

/// The tensors that are left once the network is built, and whether they may be ignored.
struct Leftovers {
  /// Sentences for the report.
  private(set) var notes: [String] = []
  private(set) var assumptions: [ImportAssumption] = []

  /// Sorts the remaining tensors into training state, modules outside the network, and unexpected ones.
  ///
  /// - Parameters:
  ///   - state: the tensors, after trunk and head have taken theirs.
  ///   - root: the key prefix of the outermost module that is part of the network.
  ///   - scopes: the modules around the trunk.
  ///   - isExplicit: whether the user named the network, and so decided what is not part of it.
  /// - Throws: `ImportError.unexpectedTensors` for unused tensors inside the network, which may compute something.
  init(
    of state: StateDictionary, root: String, _ scopes: Scopes, isExplicit: Bool, architecture: String
  ) throws(ImportError) {
    let trunk = scopes.prefixes[0]
    // Unlike the scopes passed in, these reach the outermost module, so that tensors outside the network are grouped,
    // too.
    let scopes = Scopes(prefix: trunk, floor: "")
    var unexpected: [String] = []
    var training: [String] = []
    var outside: [(module: String, count: Int, computes: Bool)] = []
    var positions: [String: Int] = [:]
    for name in state.untaken {
      let (scope, parts) = scopes.innermost(of: name) ?? ("", name.split(separator: ".").map(String.init))
      if Self.isKeptByTraining(parts) {
        if parts.last != "num_batches_tracked" { training.append(name) }
      } else if name.hasPrefix(root) {
        unexpected.append(name)
      } else {
        let module = scope + (parts.first ?? "")
        let computes = HeadSearch.isWeight(name) && state.elementType(name)?.isFloatingPoint == true
        if let index = positions[module] {
          outside[index].count += 1
          outside[index].computes = outside[index].computes || computes
        } else {
          positions[module] = outside.count
          outside.append((module, 1, computes))
        }
      }
    }
    if !unexpected.isEmpty {
      throw .unexpectedTensors(
        architecture: architecture, names: unexpected, advice: Self.advice(unexpected, state, root: root, trunk: trunk))
    }
    if let first = training.first {
      notes.append(
        "training state is left out: \(training.count) tensor\(training.count == 1 ? "" : "s"), such as '\(first)'"
      )
    }
    for (module, count, computes) in outside {
      let tensors = count == 1 ? "" : " (\(count) tensors)"
      if computes, !isExplicit {
        assumptions.append(.leavingOut(module, tensors: count))
      } else {
        notes.append("'\(module)'\(tensors) is left out, as it is outside the network")
      }
    }
  }

  /// Advice on the option that makes the unexpected tensors readable or ignored, if there is one.
  private static func advice(_ names: [String], _ state: StateDictionary, root: String, trunk: String) -> String? {
    if names.allSatisfy({ !$0.hasPrefix(trunk) }) {
      return "--state \(shellWord(String(trunk.dropLast()))) reads only the trunk"
    }
    let layers = names.filter { $0.hasSuffix(".weight") && state.shape($0)?.rank == 2 }
    let classifier = layers.first?.dropLast(".weight".count) ?? ""
    guard layers.count == 1, names.allSatisfy({ $0.hasPrefix(classifier + ".") }) else { return nil }
    return "--logits-output \(shellWord(String(classifier.dropFirst(root.count)))) uses this layer as the classifier"
  }

  /// Whether a tensor is training state, which inference does not need, wherever it is in the module tree.
  private static func isKeptByTraining(_ parts: [String]) -> Bool {
    guard let last = parts.last, let first = parts.first else { return false }
    return buffers.contains(last) || trainingModules.contains(first) || parts.count == 1 && counters.contains(last)
      || ["_loss", "_metric", "_metrics", "_criterion"].contains(where: first.hasSuffix)
  }

  private static let buffers: Set<String> = [
    // Batch norm, thop's profiles, averaged and quantisation-aware models, exponential moving averages, MoCo.
    "num_batches_tracked", "total_ops", "total_params", "n_averaged", "num_updates", "initted", "queue", "queue_ptr",
  ]

  /// Training state only directly in one of the scopes: inside a layer, `step` is a weight in some quantised networks.
  private static let counters: Set<String> = ["decay", "step", "global_step", "epoch", "iteration", "center"]

  private static let trainingModules: Set<String> = [
    "weighted_sampling", "criterion", "loss", "losses", "loss_fn", "loss_func", "metric", "metrics", "train_metrics",
    "val_metrics", "test_metrics", "train_acc", "val_acc", "test_acc", "accuracy", "queue",
  ]
}

extension ImportAssumption {
  /// The assumption that a module outside the trunk, although it may compute something, is not part of the network.
  static func leavingOut(_ module: String, tensors: Int) -> ImportAssumption {
    let count = tensors == 1 ? "" : " (\(tensors) tensors)"
    return ImportAssumption("'\(module)'\(count) is not part of the network, whose embedding is the trunk's")
  }
}
