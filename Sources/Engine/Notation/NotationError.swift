// NotationError.swift — mistakes in a text, shown with their place

/// A place in a text; both count from 1, columns in Unicode scalars.
public struct SourceLocation: Equatable, Sendable {
  public var line: Int
  public var column: Int

  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  static let start = SourceLocation(line: 1, column: 1)
}

/// What is wrong, where, and the line it is in.
public struct NotationError: Error, Equatable, CustomStringConvertible, Sendable {
  public var message: String
  public var location: SourceLocation
  public var sourceLine: String

  public init(_ message: String, at location: SourceLocation, in source: String) {
    self.message = message
    self.location = location
    sourceLine = Self.line(location.line, of: source)
  }

  /// Longest piece of a source line that a message shows, in scalars.
  private static let shownColumns = 120

  /// The message, the line, and a caret under the place.
  ///
  /// Of a long line, the neighbourhood of the place. Tabs stay, and combining marks take no room,
  /// so that the caret lines up; control characters, which could end or disturb the text around
  /// the message, are shown as U+FFFD.
  public var description: String {
    let line = Array(sourceLine.unicodeScalars)
    let column = min(location.column - 1, line.count)
    let first = max(0, column - Self.shownColumns / 2)
    var shown = "".unicodeScalars
    for scalar in line[first..<min(line.count, first + Self.shownColumns)] {
      shown.append(scalar.isControl && scalar != "\t" ? "\u{fffd}" : scalar)
    }
    let indent = line[first..<column].map { $0 == "\t" ? "\t" : $0.takesNoRoom ? "" : " " }.joined()
    return
      "line \(location.line), column \(location.column): \(message)\n  \(String(shown))\n  \(indent)^"
  }

  /// The line with this number, without its end, which is "\n" or "\r\n".
  private static func line(_ number: Int, of source: String) -> String {
    let lines = source.unicodeScalars.split(
      separator: "\n", maxSplits: number, omittingEmptySubsequences: false)
    guard lines.indices.contains(number - 1) else { return "" }
    let line = lines[number - 1]
    return String(line.last == "\r" ? line.dropLast() : line)
  }
}

extension Unicode.Scalar {
  var isControl: Bool { properties.generalCategory == .control }

  fileprivate var takesNoRoom: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark: true
    default: false
    }
  }
}

extension String {
  /// In quotes, as a message shows what someone wrote: escaped, and cut off where it gets long.
  var shown: String {
    let limit = 60
    let scalars = unicodeScalars.prefix(limit + 1)
    guard scalars.count > limit else { return Value.quoted(self) }
    return Value.quoted(String(scalars.prefix(limit))) + "…"
  }
}
