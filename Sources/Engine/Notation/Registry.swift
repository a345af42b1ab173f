// Registry.swift — the one list of names, and the check of a text against it

/// Signatures by kind and name.
public struct Registry: Sendable {
  public let signatures: [Signature]
  private let indices: [SignatureKind: [String: Int]]

  public init(_ signatures: [Signature]) {
    self.signatures = signatures
    var indices: [SignatureKind: [String: Int]] = [:]
    for (index, signature) in signatures.enumerated() {
      for name in [signature.name] + signature.aliases { indices[signature.kind, default: [:]][name] = index }
    }
    self.indices = indices
  }

  // MARK: Binding

  /// Checks a call as something of a kind.
  public func bind(_ call: Call, as kind: SignatureKind, source: String) throws(NotationError)
    -> BoundCall
  {
    guard let index = indices[kind]?[call.name] else {
      let known = indices[kind].map { Array($0.keys).sorted() } ?? []
      let hint = nearestName(to: call.name, among: known).map { "; did you mean '\($0)'?" } ?? ""
      throw NotationError(
        "there is no \(kind.rawValue) '\(call.name)'\(hint)", at: call.location, in: source)
    }
    return try bind(call.arguments, signatures[index], at: call.location, source)
  }

  /// Checks an option text against the options of that name.
  public func bind(_ arguments: [Argument], options name: String, source: String)
    throws(NotationError) -> BoundCall
  {
    guard let index = indices[.options]?[name] else {
      preconditionFailure("no options \(name) in the registry")
    }
    return try bind(arguments, signatures[index], at: .start, source)
  }

  private func bind(
    _ arguments: [Argument], _ signature: Signature, at location: SourceLocation, _ source: String
  ) throws(NotationError) -> BoundCall {
    let options = signature.options
    var values = [Value?](repeating: nil, count: options.count)
    for (position, argument) in arguments.enumerated() {
      let index = try index(of: argument, at: position, signature, source)
      guard values[index] == nil else {
        throw NotationError(
          "\(owner(signature)) has '\(options[index].name)' twice", at: argument.location,
          in: source)
      }
      values[index] = try value(argument.value, options[index].type, options[index].name, source)
    }
    for (index, option) in options.enumerated() where values[index] == nil {
      switch option.defaultValue {
      case .value(let value): values[index] = value
      case .call(let name): values[index] = .call(defaultCall(name, option))
      case nil:
        throw NotationError(
          "\(owner(signature)) needs '\(option.name)': \(option.type.shown)", at: location,
          in: source)
      }
    }
    let bound = values.compactMap { $0 }
    return BoundCall(
      name: signature.name, kind: signature.kind, location: location, names: options.map(\.name),
      values: bound, canonical: canonical(signature, bound))
  }

  private func owner(_ signature: Signature) -> String {
    signature.kind == .options ? "the text of options" : signature.name
  }

  private func index(
    of argument: Argument, at position: Int, _ signature: Signature, _ source: String
  ) throws(NotationError) -> Int {
    guard let name = argument.name else {
      guard position < signature.options.count, signature.kind != .options else {
        let message =
          signature.kind == .options
          ? "options have names: expected name=value"
          : "\(signature.name) takes at most \(signature.options.count) arguments"
        throw NotationError(message, at: argument.location, in: source)
      }
      return position
    }
    if let index = signature.options.firstIndex(where: { $0.name == name }) { return index }
    let hint = nearestName(to: name, among: signature.options.map(\.name))
      .map { "; did you mean '\($0)'?" } ?? ""
    let what =
      signature.kind == .options ? "there is no option" : "\(signature.name) has no option"
    throw NotationError("\(what) '\(name)'\(hint)", at: argument.location, in: source)
  }

  private func defaultCall(_ name: String, _ option: Option) -> BoundCall {
    let call = Call(name: name, location: .start)
    guard let kind = option.type.callKind, let bound = try? bind(call, as: kind, source: name) else {
      preconditionFailure("the default \(name) of \(option.name) is not in the registry")
    }
    return bound
  }

  // MARK: Types

  private func value(
    _ expression: Expression, _ type: OptionType, _ name: String, _ source: String
  ) throws(NotationError) -> Value {
    let mismatch = NotationError(
      "\(name): expected \(type.shown), found \(expression.shown)", at: expression.location,
      in: source)
    switch (type, expression.kind) {
    case (.integer(let range), .integer(let value)) where range.contains(value):
      return .integer(value)
    case (.number(let range), .integer(let value)) where range.contains(Double(value)):
      return .number(Double(value))
    case (.number(let range), .number(let value)) where range.contains(value):
      return .number(value)
    case (.boolean, .boolean(let value)):
      return .boolean(value)
    case (.text, .text(let value)):
      return .text(value)
    case (.text, .call(let call)) where !call.hasParentheses:
      return .text(call.name)
    case (.choice(let names), .call(let call)) where !call.hasParentheses:
      return .text(try choice(call.name, names, mismatch))
    case (.choice(let names), .text(let text)):
      return .text(try choice(text, names, mismatch))
    case (.call(let kind), .call(let call)):
      return .call(try bind(call, as: kind, source: source))
    case (.call(let kind), .text(let text)):
      let call = Call(name: text, location: expression.location)
      return .call(try bind(call, as: kind, source: source))
    case (.list(let element), .list(let expressions)):
      var values: [Value] = []
      for expression in expressions { values.append(try value(expression, element, name, source)) }
      return .list(values)
    case (.optional, .none):
      return .none
    case (.optional(let type), _):
      return try value(expression, type, name, source)
    case (.either(let types), _):
      guard let value = try first(expression, types, name, source) else { throw mismatch }
      return value
    default:
      throw mismatch
    }
  }

  private func choice(_ name: String, _ names: [String], _ mismatch: NotationError)
    throws(NotationError) -> String
  {
    if names.contains(name) { return name }
    var error = mismatch
    if let near = nearestName(to: name, among: names) { error.message += "; did you mean '\(near)'?" }
    throw error
  }

  /// The first of several types that fits. A call that names something known but gets its arguments
  /// wrong says what is wrong with them.
  private func first(
    _ expression: Expression, _ types: [OptionType], _ name: String, _ source: String
  ) throws(NotationError) -> Value? {
    for type in types {
      do {
        return try value(expression, type, name, source)
      } catch {
        if case .call(let call) = expression.kind, let kind = type.callKind,
          indices[kind]?[call.name] != nil || types.count(where: \.takesNames) == 1
        {
          throw error
        }
        if case .list(let elements) = expression.kind, case .list(.call) = type, !elements.isEmpty {
          throw error
        }
      }
    }
    return nil
  }

  // MARK: Texts

  private func canonical(_ signature: Signature, _ values: [Value]) -> String {
    var texts: [String] = []
    var isPositional = signature.kind != .options
    for (option, value) in zip(signature.options, values) {
      if option.defaultValue == nil && isPositional {
        texts.append(value.canonical)
        continue
      }
      isPositional = false
      if value != defaultValue(option) { texts.append("\(option.name)=\(value.canonical)") }
    }
    let list = texts.joined(separator: ", ")
    if signature.kind == .options { return list }
    return list.isEmpty ? signature.name : "\(signature.name)(\(list))"
  }

  private func defaultValue(_ option: Option) -> Value? {
    switch option.defaultValue {
    case .value(let value): value
    case .call(let name): .call(defaultCall(name, option))
    case nil: nil
    }
  }

  /// Lines of TAB-separated fields about a name, or about all of them; see `refrain_describe`.
  public func describe(_ name: String?) -> String? {
    guard let name else {
      return signatures.map { "\($0.kind.rawValue)\t\($0.name)\t\($0.meaning)" }
        .joined(separator: "\n")
    }
    let found = signatures.filter { ([$0.name] + $0.aliases).contains(name) }
    guard !found.isEmpty else { return nil }
    return found.flatMap { signature in
      ["\(signature.kind.rawValue)\t\(signature.name)\t\(signature.meaning)"]
        + signature.options.map { option in
          let value = defaultValue(option).map(\.canonical) ?? "required"
          return "\(option.name)\t\(option.type.shown)\t\(value)\t\(option.meaning)"
        }
    }.joined(separator: "\n")
  }

  /// The known name that differs least.
  public func nearest(to name: String) -> String? {
    nearestName(to: name, among: signatures.flatMap { [$0.name] + $0.aliases })
  }
}

extension OptionType {
  /// The kind of call it takes, if it takes one.
  fileprivate var callKind: SignatureKind? {
    switch self {
    case .call(let kind): kind
    case .optional(let type): type.callKind
    case .either(let types): types.lazy.compactMap(\.callKind).first
    default: nil
    }
  }

  /// Whether a bare name may stand for it.
  fileprivate var takesNames: Bool {
    switch self {
    case .call, .choice, .text: true
    case .optional(let type): type.takesNames
    case .either(let types): types.contains(where: \.takesNames)
    default: false
    }
  }
}
