import Foundation
import Testing

/// Conformance cases and data sets, which are kept outside the repository: in the folder that the
/// environment variable REFRAIN_SHARED names, or else in `shared` beside the repository.
enum SharedData {
  static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["REFRAIN_SHARED"] {
      return URL(fileURLWithPath: path)
    }
    let repository = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return repository.deletingLastPathComponent().appendingPathComponent("shared")
  }()

  static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }
  static let absence: Comment = "NO SHARED DATA: set REFRAIN_SHARED to the folder to run this test"

  static func text(_ path: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
  }

  /// Names, without extension, of the cases in a folder of `conformance` that start with a prefix.
  static func cases(_ folderName: String, prefix: String = "") -> [String] {
    let path = folder.appendingPathComponent("conformance/\(folderName)").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }
      .map { "\(folderName)/\($0.dropLast(5))" }.sorted()
  }

  static func conformanceCase(_ name: String) throws -> [String: Any] {
    let text = try text("conformance/\(name).json")
    let value = try JSONSerialization.jsonObject(with: text.data(using: .utf8)!)
    return try #require(value as? [String: Any])
  }
}
