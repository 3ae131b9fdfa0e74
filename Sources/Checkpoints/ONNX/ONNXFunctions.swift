/// A function that a model defines: an operator that stands for a list of nodes.
struct ONNXFunction {
  /// Its domain and name, as the nodes that call it have them.
  struct Key: Hashable {
    let domain: String
    let name: String
  }

  let key: Key
  /// Where it starts in the file.
  let offset: Int
  /// The versions of the standard operators that it states; usually one, or none.
  let operatorSets: Set<Int>
  /// The names of its inputs and outputs, as its nodes have them.
  let inputs: [String]
  let outputs: [String]
  /// The attributes that a call need not state.
  let defaults: [String: ONNXModel.Attribute]
  let nodes: [ONNXModel.Node]
}

/// Replaces the calls of functions by the nodes of the functions.
struct ONNXInlining {
  /// A function with what all of its calls need.
  private struct Definition {
    let function: ONNXFunction
    /// The positions of the inputs by their names.
    let positions: [String: Int]
    /// The memory of a copy of its nodes, with the graphs in them.
    let byteCount: Int

    init(_ function: ONNXFunction) {
      self.function = function
      positions = Dictionary(function.inputs.enumerated().map { ($1, $0) }) { _, last in last }
      byteCount = function.nodes.reduce(0) { $0 + $1.byteCountWithGraphs }
    }
  }

  private let definitions: [ONNXFunction.Key: Definition]
  /// The version of the standard operators that the model imports.
  private let operatorSet: Int
  /// The number of nodes made so far, where long lists of long names count as more, and of calls.
  private var (made, calls) = (0, 0)
  /// The memory of what is copied, in bytes.
  private var copies: ModelBudget

  /// Calls in calls may multiply; no model of a network has as many nodes.
  static let maximumNodes = 1 << 17
  static let maximumDepth = 32
  /// The bytes that may be copied for a model of no size, and for each of its bytes.
  static let (freeBytes, bytesPerByte) = (8 << 20, 16)
  /// The domains of operators that ONNX Runtime has itself, and runs even where a function has the name of one.
  private static let builtInDomains: Set<String> = ["", "ai.onnx.ml", "com.microsoft"]

  private init(_ functions: [ONNXFunction.Key: ONNXFunction], operatorSet: Int, modelBytes: Int) {
    self.operatorSet = operatorSet
    definitions = functions.mapValues { Definition($0) }
    copies = ModelBudget(free: Self.freeBytes, perByte: Self.bytesPerByte, modelBytes: modelBytes)
  }

  /// The nodes of a graph without calls, with `index` as their position.
  ///
  /// - Parameters:
  ///   - operatorSet: the version of the standard operators that the model imports.
  ///   - modelBytes: the size of the model with its external data.
  /// - Throws: `FormatError.limitExceeded` where there are too many nodes or too much in them, or functions call each
  ///   other too deeply; `.unsupported` for a call of a function that replaces an operator, or that is of another
  ///   version of the standard operators than the model.
  static func inline(
    _ nodes: [ONNXModel.Node], _ functions: [ONNXFunction.Key: ONNXFunction], operatorSet: Int, modelBytes: Int
  ) throws(FormatError) -> [ONNXModel.Node] {
    if functions.isEmpty { return nodes }
    var inlining = ONNXInlining(functions, operatorSet: operatorSet, modelBytes: modelBytes)
    var result: [ONNXModel.Node] = []
    for node in try inlining.expand(nodes, depth: 0) { result.append(node.with(index: result.count)) }
    return result
  }

  /// Asks for memory before something is copied.
  private mutating func claim(_ byteCount: Int) throws(FormatError) {
    guard copies.claim(byteCount) else {
      throw .limitExceeded(
        what: "the number of nodes in functions, times their size in bytes,", offset: 0, limit: copies.limit)
    }
  }

  /// Checks that a call of a function is one in ONNX Runtime, too, and that its nodes mean the same in the model.
  private func check(_ function: ONNXFunction) throws(FormatError) {
    let name = function.key.name
    guard !Self.builtInDomains.contains(function.key.domain) else {
      throw .unsupported(
        feature: "a function that replaces the operator '\(name)'", offset: function.offset,
        advice: "ONNX Runtime runs its own operator of this name; give the function another domain")
    }
    if let version = function.operatorSets.sorted().first(where: { $0 != operatorSet }) {
      throw .unsupported(
        feature: "the function '\(name)' of opset \(version)", offset: function.offset,
        advice: "the model uses opset \(operatorSet); export both with the same one")
    }
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
      try claim(node.byteCount)
      if let definition = definitions[ONNXFunction.Key(domain: node.domain, name: node.operatorType)] {
        try check(definition.function)
        result += try expand(body(of: definition, for: node), depth: depth + 1)
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
  private mutating func body(
    of definition: Definition, for call: ONNXModel.Node
  ) throws(FormatError) -> [ONNXModel.Node] {
    calls += 1
    let function = definition.function
    let name = String(call.name.prefix(200))
    try claim(definition.byteCount)
    try claim(function.nodes.count * name.utf8.count)
    var outputs: [String: String] = [:]
    for (name, output) in zip(function.outputs, call.outputs) where !output.isEmpty { outputs[name] = output }
    let names = ONNXCallNames(
      outputs: outputs, inputs: call.inputs, positions: definition.positions, prefix: "function \(calls)/", call: name)
    return function.nodes.map { $0.renamed(names, call.attributes, function.defaults) }
  }
}

/// What the names in a function stand for in one of its calls.
private struct ONNXCallNames {
  /// The values of the call that the function's outputs are, by their names in the function.
  let outputs: [String: String]
  /// The inputs of the call.
  let inputs: [String]
  /// The positions of the function's inputs by their names.
  let positions: [String: Int]
  /// What the names of all other values get.
  let prefix: String
  /// The name of the node that calls.
  let call: String

  /// The value that a name in the function stands for.
  subscript(name: String) -> String {
    if let output = outputs[name] { return output }
    if let position = positions[name] { return position < inputs.count ? inputs[position] : "" }
    return name.isEmpty ? "" : prefix + name
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

  /// About the memory of a copy in bytes, without that of graphs in the node.
  fileprivate var byteCount: Int {
    var count = 256 + name.utf8.count
    for name in inputs { count += 48 + name.utf8.count }
    for name in outputs { count += 48 + name.utf8.count }
    for name in attributes.keys { count += 96 + name.utf8.count }
    return count
  }

  /// As `byteCount`, with the graphs.
  fileprivate var byteCountWithGraphs: Int {
    var count = byteCount
    for case .graph(let graph) in attributes.values {
      for node in graph.nodes { count += node.byteCountWithGraphs }
      for (name, _) in graph.initializers { count += 256 + name.utf8.count }
      for name in graph.outputs { count += 48 + name.utf8.count }
    }
    return count
  }

  /// The node of a function's body in a call.
  ///
  /// - Parameters:
  ///   - names: what the names in the function stand for.
  ///   - stated: the attributes of the call.
  ///   - defaults: the attributes that a call need not state.
  fileprivate func renamed(
    _ names: ONNXCallNames, _ stated: [String: ONNXModel.Attribute], _ defaults: [String: ONNXModel.Attribute]
  ) -> ONNXModel.Node {
    var result: [String: ONNXModel.Attribute] = [:]
    for (key, attribute) in attributes {
      switch attribute {
      case .reference(let name): result[key] = stated[name] ?? defaults[name]
      case .graph(let graph):
        var initializers = NamedTensors()
        for (name, tensor) in graph.initializers { _ = initializers.append(tensor, named: names[name]) }
        result[key] = .graph(
          ONNXModel.Subgraph(
            nodes: graph.nodes.map { $0.renamed(names, stated, defaults) }, initializers: initializers,
            outputs: graph.outputs.map { names[$0] }))
      default: result[key] = attribute
      }
    }
    let call = names.call
    return ONNXModel.Node(
      index: index, name: call.isEmpty || name.isEmpty ? call + name : "\(call)/\(name)", operatorType: operatorType,
      domain: domain, inputs: inputs.map { names[$0] }, outputs: outputs.map { names[$0] }, attributes: result)
  }
}
