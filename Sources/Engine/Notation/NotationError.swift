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

  /// Longest piece of a source line that a message shows.
  private static let shownColumns = 120

  /// The message, the line, and a caret under the place. Tabs stay, so that the caret lines up.
  public var description: String {
    let line = Array(sourceLine.unicodeScalars)
    let column = min(location.column - 1, line.count)
    let first = max(0, column - Self.shownColumns / 2)
    let shown = line[first..<min(line.count, first + Self.shownColumns)]
    var text = ""
    text.unicodeScalars.append(contentsOf: shown)
    let indent = line[first..<column].map { $0 == "\t" ? "\t" : " " }.joined()
    return "line \(location.line), column \(location.column): \(message)\n  \(text)\n  \(indent)^"
  }

  private static func line(_ number: Int, of source: String) -> String {
    var current = 1
    var line = String.UnicodeScalarView()
    for scalar in source.unicodeScalars {
      if scalar == "\n" {
        if current == number { break }
        current += 1
      } else if current == number, scalar != "\r" {
        line.append(scalar)
      }
    }
    return String(line)
  }
}
