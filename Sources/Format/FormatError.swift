// FormatError.swift — what can be wrong with a file

/// The bytes are no valid file of the kind that was expected.
public struct FormatError: Error, Equatable, CustomStringConvertible {
  public let message: String
  /// Where in the file, if it is one place.
  public let offset: Int?

  init(_ message: String, at offset: Int? = nil) {
    self.message = message
    self.offset = offset
  }

  public var description: String { offset.map { "byte \($0): \(message)" } ?? message }
}

/// The operating system refused a file.
public struct FileError: Error, Equatable, CustomStringConvertible {
  public let path: String
  public let action: String
  public let reason: String

  public var description: String { "cannot \(action) \(path): \(reason)" }
}

/// A text from a file as a message shows it: in quotes, on one line, and not too long.
func shown(_ text: String) -> String {
  var shown = "'"
  for scalar in text.unicodeScalars.prefix(60) {
    let isPlain = scalar.value >= 0x20 && scalar.value != 0x7f && scalar != "'"
    shown += isPlain ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
  }
  return shown + (text.unicodeScalars.count > 60 ? "…'" : "'")
}
