/// A function that a model defines: an operator that stands for a list of nodes.
struct ONNXFunction {
  /// Its domain and name, as the nodes that call it have them.
  struct Key: Hashable {
    let domain: String
    let name: String
  }

  let key: Key
  /// The names of its inputs and outputs, as its nodes have them.
  let inputs: [String]
  let outputs: [String]
  /// The attributes that a call need not state.
  let defaults: [String: ONNXModel.Attribute]
  let nodes: [ONNXModel.Node]
}

/// Replaces the calls of functions by the nodes of the functions.
struct ONNXInlining {
  private let functions: [ONNXFunction.Key: ONNXFunction]
  /// The number of nodes made so far, where long lists of long names count as more, and of calls.
  private var (made, calls) = (0, 0)

  /// Calls in calls may multiply; no model of a network has as many nodes.
  static let maximumNodes = 1 << 17
  static let maximumDepth = 32

  private init(_ functions: [ONNXFunction.Key: ONNXFunction]) { self.functions = functions }

  /// The nodes of a graph without calls, with `index` as their position.
  ///
  /// - Throws: `FormatError.limitExceeded` where there are too many nodes, or functions call each other too deeply.
  static func inline(
    _ nodes: [ONNXModel.Node], _ functions: [ONNXFunction.Key: ONNXFunction]
  ) throws(FormatError) -> [ONNXModel.Node] {
    if functions.isEmpty { return nodes }
    var inlining = ONNXInlining(functions)
    var result: [ONNXModel.Node] = []
    for node in try inlining.expand(nodes, depth: 0) { result.append(node.with(index: result.count)) }
    return result
  }

  private mutating func expand(_ nodes: [ONNXModel.Node], depth: Int) throws(FormatError) -> [ONNXModel.Node] {
    guard depth < Self.maximumDepth else {
      throw .limitExceeded(what: "the nesting of functions", offset: 0, limit: Self.maximumDepth)
    }
    var result: [ONNXModel.Node] = []
    for node in nodes {
      made += 1 + ([node.name] + node.inputs + node.outputs).reduce(0) { $0 + 1 + $1.utf8.count } / 64
      guard made <= Self.maximumNodes else {
        throw .limitExceeded(what: "the number of nodes in functions", offset: 0, limit: Self.maximumNodes)
      }
      if let function = functions[ONNXFunction.Key(domain: node.domain, name: node.operatorType)] {
        result += try expand(body(of: function, for: node), depth: depth + 1)
      } else {
        var attributes = node.attributes
        for (name, attribute) in node.attributes {
          guard case .graph(let graph) = attribute else { continue }
          attributes[name] = .graph(
            ONNXModel.Subgraph(
              nodes: try expand(graph.nodes, depth: depth + 1), initializers: graph.initializers, outputs: graph.outputs
            ))
        }
        result.append(node.with(attributes: attributes))
      }
    }
    return result
  }

  /// The nodes of a function for one call, with names that occur nowhere else.
  private mutating func body(of function: ONNXFunction, for call: ONNXModel.Node) -> [ONNXModel.Node] {
    calls += 1
    var names: [String: String] = ["": ""]
    for (index, name) in function.inputs.enumerated() {
      names[name] = index < call.inputs.count ? call.inputs[index] : ""
    }
    for (name, output) in zip(function.outputs, call.outputs) where !output.isEmpty { names[name] = output }
    let prefix = "function \(calls)/"
    let attributes = function.defaults.merging(call.attributes) { _, stated in stated }
    return function.nodes.map { $0.renamed(names, prefix: prefix, call: String(call.name.prefix(200)), attributes) }
  }
}

extension ONNXModel.Node {
  fileprivate func with(index: Int) -> ONNXModel.Node {
    var attributes = attributes
    for (name, attribute) in attributes {
      guard case .graph(let graph) = attribute else { continue }
      attributes[name] = .graph(
        ONNXModel.Subgraph(
          nodes: graph.nodes.map { $0.with(index: index) }, initializers: graph.initializers, outputs: graph.outputs))
    }
    return ONNXModel.Node(
      index: index, name: name, operatorType: operatorType, domain: domain, inputs: inputs, outputs: outputs,
      attributes: attributes)
  }

  fileprivate func with(attributes: [String: ONNXModel.Attribute]) -> ONNXModel.Node {
    ONNXModel.Node(
      index: index, name: name, operatorType: operatorType, domain: domain, inputs: inputs, outputs: outputs,
      attributes: attributes)
  }

  /// The node of a function's body in a call.
  ///
  /// - Parameters:
  ///   - names: the values of the call by their names in the function.
  ///   - prefix: what all other values' names get.
  ///   - call: the name of the node that calls.
  ///   - stated: the attributes of the call.
  fileprivate func renamed(
    _ names: [String: String], prefix: String, call: String, _ stated: [String: ONNXModel.Attribute]
  ) -> ONNXModel.Node {
    var result: [String: ONNXModel.Attribute] = [:]
    for (key, attribute) in attributes {
      switch attribute {
      case .reference(let name): result[key] = stated[name]
      case .graph(let graph):
        var initializers = NamedTensors()
        for (name, tensor) in graph.initializers {
          _ = initializers.append(tensor, named: names[name] ?? prefix + name)
        }
        result[key] = .graph(
          ONNXModel.Subgraph(
            nodes: graph.nodes.map { $0.renamed(names, prefix: prefix, call: call, stated) },
            initializers: initializers, outputs: graph.outputs.map { names[$0] ?? prefix + $0 }))
      default: result[key] = attribute
      }
    }
    return ONNXModel.Node(
      index: index, name: call.isEmpty || name.isEmpty ? call + name : "\(call)/\(name)", operatorType: operatorType,
      domain: domain, inputs: inputs.map { names[$0] ?? prefix + $0 },
      outputs: outputs.map { names[$0] ?? prefix + $0 },
      attributes: result)
  }
}
