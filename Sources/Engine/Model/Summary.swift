// Summary.swift — the table of a model's layers that people expect

extension Model {
  /// Layer, output shape and parameters, one line a layer, and the sum.
  public var summary: String {
    var lines = [["layer", "name", "output", "parameters"]]
    for node in graph.nodes {
      let count = node.layer.parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
      lines.append([
        node.call.name, node.name, node.layer.outputs.map(Self.text).joined(separator: " "),
        Self.grouped(count),
      ])
    }
    lines.append(["total", "", "", Self.grouped(parameters.count)])
    let widths = (0..<4).map { column in lines.map { $0[column].count }.max() ?? 0 }
    let rule = String(repeating: "─", count: widths.reduce(0, +) + 6)
    let rows = lines.map { cells in
      cells.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return column == 3 ? padding + cell : cell + padding
      }.joined(separator: "  ")
    }
    return ([rows[0], rule] + rows[1..<rows.count - 1] + [rule, rows[rows.count - 1]])
      .joined(separator: "\n") + "\n"
  }

  /// `[batch, time, 64]`
  private static func text(_ shape: ValueShape) -> String {
    let time = shape.timesteps.map(String.init) ?? "time"
    let keys = shape.keys.map(String.init) ?? "keys"
    let axes =
      ["batch"] + (shape.hasTime ? [time] : []) + shape.features.map(String.init)
      + (shape.hasKeys ? [keys] : [])
    return "[" + axes.joined(separator: ", ") + "]" + (shape.type == .ids ? " ids" : "")
  }

  /// `1,234,567`
  private static func grouped(_ number: Int) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }
}
