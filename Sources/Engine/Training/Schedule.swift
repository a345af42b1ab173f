// Schedule.swift — how the learning rate changes
//
// A schedule gives a factor for the base rate. It counts updates, or epochs where `per=epoch`; a
// caller with a loop of their own has updates only.

import Glibc

/// A schedule with its options.
struct Schedule: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    case constant
    case step(size: Int, gamma: Double)
    case milestones([Int], gamma: Double)
    case exponential(gamma: Double)
    case cosine(steps: Int, warmup: Int, final: Double)
    case plateau(factor: Double, patience: Int, threshold: Double, minimum: Double)
  }

  let kind: Kind
  let countsEpochs: Bool
  let canonical: String

  private static let per = Option(
    "per", .choice(["epoch", "update"]), default: .text("epoch"), "What is counted.")

  private static let gamma = OptionType.number(.positive)

  static let signatures: [Signature] = [
    Signature(kind: .schedule, name: "Constant", meaning: "No change.", options: []),
    Signature(
      kind: .schedule, name: "Step", meaning: "Multiplied by gamma every `size` epochs or updates.",
      options: [
        Option("size", .integer(1...Int(Int32.max)), "Between two changes."),
        Option("gamma", gamma, default: .number(0.1), "Factor of each change."),
        per,
      ]),
    Signature(
      kind: .schedule, name: "MultiStep", meaning: "Multiplied by gamma at each milestone.",
      options: [
        Option("milestones", .list(of: .integer(0...Int(Int32.max))), "Where it changes."),
        Option("gamma", gamma, default: .number(0.1), "Factor of each change."),
        per,
      ]),
    Signature(
      kind: .schedule, name: "Exponential", meaning: "Multiplied by gamma each time.",
      options: [Option("gamma", gamma, "Factor."), per]),
    Signature(
      kind: .schedule, name: "Cosine",
      meaning: "Up in a line for `warmup`, then down half a cosine (Loshchilov & Hutter 2017).",
      options: [
        Option("steps", .integer(1...Int(Int32.max)), "Length, warm-up included; constant after."),
        Option("warmup", .integer(0...Int(Int32.max)), default: .integer(0), "Length of the rise."),
        Option("final", .number(.nonNegative), default: .number(0), "Factor at the end."),
        per,
      ]),
    Signature(
      kind: .schedule, name: "ReducePlateau",
      meaning: "Multiplied by factor when validation stops getting better.",
      options: [
        Option("factor", gamma, default: .number(0.1), "Factor of each change."),
        Option(
          "patience", .integer(0...Int(Int32.max)), default: .integer(10),
          "Reports without improvement that are borne."),
        Option(
          "threshold", .number(.nonNegative), default: .number(1e-4),
          "Share of the best value that counts as improvement."),
        Option("minimum", .number(.nonNegative), default: .number(0), "Least factor."),
      ]),
  ]

  init(_ call: BoundCall) {
    kind =
      switch call.name {
      case "Constant": .constant
      case "Step": .step(size: call.integer("size"), gamma: call.number("gamma"))
      case "MultiStep":
        .milestones(
          call.list("milestones").map { Int($0.asNumber) }, gamma: call.number("gamma"))
      case "Exponential": .exponential(gamma: call.number("gamma"))
      case "Cosine":
        .cosine(
          steps: call.integer("steps"), warmup: call.integer("warmup"),
          final: call.number("final"))
      case "ReducePlateau":
        .plateau(
          factor: call.number("factor"), patience: call.integer("patience"),
          threshold: call.number("threshold"), minimum: call.number("minimum"))
      default: preconditionFailure("no schedule \(call.name) in the registry")
      }
    let hasPer = call.name != "Constant" && call.name != "ReducePlateau"
    countsEpochs = hasPer && call.text("per") == "epoch"
    canonical = call.canonical
  }

  /// The factor after `count` epochs or updates.
  func factor(_ count: Int, plateau: PlateauState) -> Double {
    switch kind {
    case .constant:
      return 1
    case .step(let size, let gamma):
      return pow(gamma, Double(count / size))
    case .milestones(let milestones, let gamma):
      return pow(gamma, Double(milestones.count { $0 <= count }))
    case .exponential(let gamma):
      return pow(gamma, Double(count))
    case .cosine(let steps, let warmup, let final):
      if count < warmup { return Double(count + 1) / Double(warmup + 1) }
      let span = max(1, steps - warmup)
      let progress = min(1, Double(count - warmup) / Double(span))
      return final + (1 - final) * 0.5 * (1 + cos(.pi * progress))
    case .plateau:
      return plateau.factor
    }
  }

  /// Tells ReducePlateau a metric, where lower is better.
  func report(_ metric: Double, to state: inout PlateauState) {
    guard case .plateau(let factor, let patience, let threshold, let minimum) = kind else { return }
    if metric < state.best * (metric < 0 ? 1 + threshold : 1 - threshold) {
      state.best = metric
      state.waited = 0
    } else {
      state.waited += 1
    }
    if state.waited > patience {
      state.factor = max(minimum, state.factor * factor)
      state.waited = 0
    }
  }
}

/// What ReducePlateau remembers.
struct PlateauState: Equatable, Sendable {
  var best = Double.infinity
  var waited = 0
  var factor = 1.0
}
