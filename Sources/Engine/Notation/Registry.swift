// Registry.swift — the one list of names, and the check of a text against it

/// Signatures by kind and name.
public struct Registry: Sendable {
  public let signatures: [Signature]
  /// By kind, where in `signatures` each name and alias is.
  private let indices: [SignatureKind: [String: Int]]

  /// - Precondition: within a kind, no two signatures share a name or alias.
  public init(_ signatures: [Signature]) {
    self.signatures = signatures
    var indices: [SignatureKind: [String: Int]] = [:]
    for (index, signature) in signatures.enumerated() {
      for name in [signature.name] + signature.aliases {
        let former = indices[signature.kind, default: [:]].updateValue(index, forKey: name)
        precondition(former == nil, "two \(signature.kind.rawValue) signatures are named \(name)")
      }
    }
    self.indices = indices
  }

  // MARK: Binding

  /// Checks a call as something of a kind, and every call inside it.
  ///
  /// - Parameter source: the text that the call was parsed from; errors show a line of it.
  public func bind(_ call: Call, as kind: SignatureKind, source: String) throws(NotationError)
    -> BoundCall
  {
    do {
      return try bind(call, as: kind)
    } catch {
      throw NotationError(error.message, at: error.location, in: source)
    }
  }

  /// Checks an option text against the options of that name, which must be in the registry.
  ///
  /// - Parameter source: the text that the arguments were parsed from; errors show a line of it.
  public func bind(_ arguments: [Argument], options name: String, source: String)
    throws(NotationError) -> BoundCall
  {
    guard let index = indices[.options]?[name] else {
      preconditionFailure("no options \(name) in the registry")
    }
    do {
      return try bind(arguments, signatures[index], at: .start)
    } catch {
      throw NotationError(error.message, at: error.location, in: source)
    }
  }

  /// An error that has not looked for its line in the source. Checking a value against several types
  /// makes many that nobody sees, and a source may be long.
  private struct Mistake: Error {
    let message: String
    let location: SourceLocation
  }

  private func bind(_ call: Call, as kind: SignatureKind) throws(Mistake) -> BoundCall {
    guard let index = indices[kind]?[call.name] else {
      throw Mistake(
        message: "there is no \(kind.rawValue) \(call.name.shown)"
          + hint(about: call.name, as: kind),
        location: call.location)
    }
    return try bind(call.arguments, signatures[index], at: call.location)
  }

  /// What an unknown name is instead: something of another kind, or perhaps a slip.
  private func hint(about name: String, as kind: SignatureKind) -> String {
    let other = SignatureKind.allCases.first { $0 != .options && indices[$0]?[name] != nil }
    if let other { return "; '\(name)' is \(other.shown)" }
    return didYouMean(name, among: indices[kind].map { $0.keys.sorted() } ?? [])
  }

  private func didYouMean(_ name: String, among known: [String]) -> String {
    nearestName(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
  }

  private func bind(_ arguments: [Argument], _ signature: Signature, at location: SourceLocation)
    throws(Mistake) -> BoundCall
  {
    let options = signature.options
    var values = [Value?](repeating: nil, count: options.count)
    for (position, argument) in arguments.enumerated() {
      let index = try index(of: argument, at: position, signature)
      guard values[index] == nil else {
        throw Mistake(
          message: "'\(options[index].name)' is given twice", location: argument.location)
      }
      values[index] = try value(argument.value, options[index].type, options[index].name)
    }
    for (index, option) in options.enumerated() where values[index] == nil {
      guard let value = defaultValue(option) else {
        let owner = signature.kind == .options ? "this text" : signature.name
        throw Mistake(
          message: "\(owner) needs '\(option.name)': \(option.type.shown)", location: location)
      }
      values[index] = value
    }
    let bound = values.compactMap { $0 }
    return BoundCall(
      name: signature.name, kind: signature.kind, location: location, names: options.map(\.name),
      values: bound, canonical: canonical(signature, bound))
  }

  /// Which option an argument is for.
  private func index(of argument: Argument, at position: Int, _ signature: Signature)
    throws(Mistake) -> Int
  {
    let options = signature.options
    guard let name = argument.name else {
      guard signature.kind != .options else {
        throw Mistake(
          message: "options have names: expected name=value, found \(argument.value.shown)",
          location: argument.location)
      }
      guard position < options.count else {
        let limit =
          switch options.count {
          case 0: "no arguments"
          case 1: "at most 1 argument"
          default: "at most \(options.count) arguments"
          }
        throw Mistake(message: "\(signature.name) takes \(limit)", location: argument.location)
      }
      return position
    }
    if let index = options.firstIndex(where: { $0.name == name }) { return index }
    let owner = signature.kind == .options ? "there is" : "\(signature.name) has"
    throw Mistake(
      message: "\(owner) no option \(name.shown)" + didYouMean(name, among: options.map(\.name)),
      location: argument.location)
  }

  private func defaultValue(_ option: Option) -> Value? {
    switch option.defaultValue {
    case .value(let value):
      return value
    case .call(let name):
      let call = Call(name: name, location: .start)
      guard let kind = option.type.callKind, let bound = try? bind(call, as: kind) else {
        preconditionFailure("the default \(name) of \(option.name) is not in the registry")
      }
      return .call(bound)
    case nil:
      return nil
    }
  }

  // MARK: Types

  /// Checks a value of the option `name`.
  private func value(_ expression: Expression, _ type: OptionType, _ name: String)
    throws(Mistake) -> Value
  {
    func mismatch(_ hint: String = "") -> Mistake {
      Mistake(
        message: "\(name): expected \(type.shown), found \(expression.shown)\(hint)",
        location: expression.location)
    }
    switch (type, expression.kind) {
    case (.integer(let range), .integer(let value)) where range.contains(value):
      return .integer(value)
    case (.number(let range), .integer(let value)) where range.contains(Double(value)):
      return .number(Double(value))
    case (.number(let range), .number(let value)) where range.contains(value):
      return .number(value)
    case (.boolean, .boolean(let value)):
      return .boolean(value)
    case (.text, _):
      guard let word = expression.word else { throw mismatch() }
      return .text(word)
    case (.choice(let names), _):
      guard let word = expression.word else { throw mismatch() }
      guard names.contains(word) else { throw mismatch(didYouMean(word, among: names)) }
      return .text(word)
    case (.call(let kind), .call(let call)):
      return .call(try bind(call, as: kind))
    case (.call(let kind), .text(let text)):
      return .call(try bind(Call(name: text, location: expression.location), as: kind))
    case (.list(let element), .list(let expressions)):
      var values: [Value] = []
      for expression in expressions { values.append(try value(expression, element, name)) }
      return .list(values)
    case (.optional, .none):
      return .none
    case (.optional(let type), _) where type.mayTake(expression):
      return try value(expression, type, name)
    case (.either(let types), _):
      // Where only one of the types is written in this way, its own mistake says more than that
      // none of them fits.
      let alike = types.filter { $0.mayTake(expression) }
      var mistake = mismatch()
      for type in alike {
        do {
          return try value(expression, type, name)
        } catch {
          if alike.count == 1 { mistake = error }
        }
      }
      throw mistake
    default:
      throw mismatch()
    }
  }

  // MARK: Texts

  private func canonical(_ signature: Signature, _ values: [Value]) -> String {
    var texts: [String] = []
    var isPositional = signature.kind != .options
    for (option, value) in zip(signature.options, values) {
      let text = value.canonical(as: option.type)
      if option.defaultValue == nil && isPositional {
        texts.append(text)
        continue
      }
      isPositional = false
      if value != defaultValue(option) { texts.append("\(option.name)=\(text)") }
    }
    let list = texts.joined(separator: ", ")
    if signature.kind == .options { return list }
    return list.isEmpty ? signature.name : "\(signature.name)(\(list))"
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
          let value = defaultValue(option)?.canonical(as: option.type) ?? "required"
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

  /// Whether its values are written in this way; they may still be the wrong ones.
  fileprivate func mayTake(_ expression: Expression) -> Bool {
    switch (self, expression.kind) {
    case (.integer, .integer), (.integer, .number), (.number, .integer), (.number, .number),
      (.boolean, .boolean), (.call, .call), (.list, .list), (.optional, .none):
      true
    case (.text, _), (.choice, _), (.call, .text):
      expression.word != nil
    case (.optional(let type), _):
      type.mayTake(expression)
    case (.either(let types), _):
      types.contains { $0.mayTake(expression) }
    default:
      false
    }
  }
}
