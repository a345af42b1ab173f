// Decoding.swift — a shard of rows on its way through a model, a timestep at a time
//
// A row of the caller's batch has as many rows of the workspace as there are beams. Layers that the
// generated sequence does not reach run once per row of the caller's; what they give is then repeated
// for its beams. The shard goes on until all of its rows have ended.

import Glibc
import Kernels

/// The shards of one call.
struct Decoding: Work {
  let generator: Generator
  let plan: Plan
  let batch: Batch
  let prompts: Prompts
  let options: GenerationOptions
  let arrays: GeneratedArrays
  let memories: [DecodingMemory]
  let shards: [Range<Int>]

  func perform(task shard: Int, worker: Int) {
    var walk = DecodingWalk(self, shards[shard], memories[worker], worker: worker)
    if options.beams > 1 { walk.searchBeams() } else { walk.chooseIDs() }
  }

  /// Writes a row's result but for the ids before `length`.
  func finish(row: Int, length: Int, score: Double) {
    let ids = arrays.ids + row * options.maxLength
    let fill = Int32(options.end ?? 0)
    (ids + length).update(repeating: fill, count: options.maxLength - length)
    arrays.lengths?[row] = Int64(length)
    arrays.scores?[row] = Float(score)
  }
}

/// A shard.
struct DecodingWalk {
  let decoding: Decoding
  /// Of the caller's batch.
  let rows: Range<Int>
  let memory: DecodingMemory
  let beams: Int
  private let worker: Int
  private var pass: Pass
  /// Which of the two places the states are in.
  private var isSwapped = false
  /// Steps taken.
  private var steps = 0

  private var generator: Generator { decoding.generator }
  private var plan: Plan { decoding.plan }
  private var executor: Executor { generator.executor }
  private var stateSize: Int { memory.stateSize }
  /// Of the workspace.
  private var all: Range<Int> { 0..<rows.count * beams }

  /// Loads the inputs, and does what is done once.
  init(_ decoding: Decoding, _ rows: Range<Int>, _ memory: DecodingMemory, worker: Int) {
    self.decoding = decoding
    self.rows = rows
    self.memory = memory
    self.worker = worker
    beams = decoding.generator.beams
    pass = decoding.generator.executor.pass(
      decoding.plan, worker: worker, firstRow: 0, Executor.Settings())
    decoding.batch.load(rows, at: 0, plan, pass)
    executor.forwardOnce(0..<rows.count, plan, pass)
    if beams > 1 { repeatKept() }
    for (row, source) in rows.enumerated() {
      for beam in 0..<beams { feed(decoding.prompts.id(source, 0), row * beams + beam) }
    }
    setInitialStates()
    executor.prepareSteps(all, plan, pass)
  }

  /// Repeats each row's values that steps read, the last row first, for its beams take the places of
  /// rows behind it.
  private func repeatKept() {
    for row in (0..<rows.count).reversed() {
      for beam in (0..<beams).reversed() where row * beams + beam != row {
        let copy = row * beams + beam
        for value in generator.kept {
          let slot = plan.places[value].values
          pass.pointer(slot, row: copy).update(
            from: pass.pointer(slot, row: row), count: slot.width)
        }
        for index in generator.keptValidities {
          guard let validity = pass.validity(index) else { continue }
          validity.row(copy).update(from: validity.row(row), count: validity.timesteps)
          validity.lengths[copy] = validity.lengths[row]
        }
      }
    }
  }

  /// The states that enter the first step: zeros, parameters, or what other layers gave.
  private func setInitialStates() {
    for row in all {
      let state = memory.states.0.pointer + row * stateSize
      state.update(repeating: 0, count: generator.model.graph.windowStateSize)
      generator.initialState.write(to: state)
      for given in generator.givenStates {
        let slot = plan.places[given.value].values
        (state + given.offset).update(from: pass.pointer(slot, row: row), count: slot.width)
      }
    }
  }

  // MARK: Steps

  /// The id that a row of the workspace takes at the next step.
  func feed(_ id: Int32, _ row: Int) {
    let place = pass.pointer(plan.inputs[generator.feed].values, row: row)
    UnsafeMutableRawPointer(place).storeBytes(of: id, as: Int32.self)
  }

  mutating func step() {
    var settings = Executor.Settings(state: states, isWindow: true)
    settings.window = steps
    pass = executor.pass(plan, worker: worker, firstRow: 0, settings)
    pass.stateWidth = stateSize  // the history lies behind
    executor.forward(all, plan, pass)
    steps += 1
  }

  private var states: MutableValues {
    isSwapped ? memory.states.1?.pointer ?? memory.states.0.pointer : memory.states.0.pointer
  }

  func logits(_ row: Int) -> Values {
    Values(pass.pointer(plan.outputs[0].logits, row: row))
  }

  /// What added to a class's logit gives its log-probability; nil if there are no probabilities.
  ///
  ///     log pᵢ = xᵢ − max x + log p_max
  ///
  /// for p_max, the largest, is never near 0.
  func normalizer(_ row: Int) -> (likeliest: Int, offset: Double)? {
    let logits = logits(row)
    guard let top = likeliest(logits, count: generator.classes) else { return nil }
    let probability = pass.pointer(plan.outputs[0].values, row: row)[top]
    return (top, log(Double(probability)) - Double(logits[top]))
  }

  /// Copies a row's state to where the next step has it, once `swapStates` is called.
  func copyState(from row: Int, to target: Int) {
    guard let second = memory.states.1 else { return }
    let other = isSwapped ? memory.states.0.pointer : second.pointer
    let used = generator.model.graph.windowStateSize + steps * generator.walk.historySize
    (other + target * stateSize).update(from: states + row * stateSize, count: used)
  }

  /// Goes on with the states that were copied.
  mutating func swapStates() { isSwapped.toggle() }
}

// MARK: One id after another

extension DecodingWalk {
  private struct Progress {
    var length = 0
    var score = 0.0
    var hasEnded = false
  }

  /// Takes the likeliest id each time, or draws one.
  mutating func chooseIDs() {
    let (options, prompts) = (decoding.options, decoding.prompts)
    var progress = [Progress](repeating: Progress(), count: rows.count)
    var left = rows.count
    var t = 0
    while left > 0 {
      step()
      t += 1
      for (row, source) in rows.enumerated() where !progress[row].hasEnded {
        if t < prompts.length(source) {
          feed(prompts.id(source, t), row)
          continue
        }
        let id = chooseID(row, of: source, &progress[row])
        if let id { feed(id, row) }
        if id == nil || progress[row].length == options.maxLength {
          progress[row].hasEnded = true
          left -= 1
          decoding.finish(row: source, length: progress[row].length, score: progress[row].score)
        }
      }
    }
  }

  /// The next id of a row; nil if it ends here.
  private func chooseID(_ row: Int, of source: Int, _ progress: inout Progress) -> Int32? {
    let options = decoding.options
    guard let (top, offset) = normalizer(row) else {
      progress.score = .nan
      return nil
    }
    let logits = logits(row)
    var id = top
    if let sampling = options.sampling, let weights = memory.weights, let order = memory.order {
      // Position by position, a row's own numbers: neither other rows nor shards matter.
      var random =
        RandomSequence(
          key: options.seed, stream: UInt64(source), counter: UInt64(progress.length), position: 0)
        ?? RandomSequence(seed: options.seed, stream: UInt64(source))
      id = sampling.draw(
        logits, count: weights.count, top: top, uniform: random.uniformDouble(),
        weights: weights.pointer, order: order.pointer)
    }
    progress.score += Double(logits[id]) + offset
    if id == options.end { return nil }
    decoding.arrays.ids[source * options.maxLength + progress.length] = Int32(id)
    progress.length += 1
    return Int32(id)
  }
}
