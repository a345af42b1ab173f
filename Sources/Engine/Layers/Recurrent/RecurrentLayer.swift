// RecurrentLayer.swift — what recurrent layers have in common as layers of a model
//
// The types are beside their cells. Outputs: the sequence or the final hidden state, then the final
// states if they are asked for. Inputs: the sequence, scores for cells that take them, then initial
// states if there are any.

import Kernels

/// A layer type that is one cell walked over time.
protocol RecurrentLayerType: Layer {
  var spec: RecurrentSpec { get }
  /// The gate whose bias_ih starts at 1; nil for none.
  var forgetGate: Int? { get }
}

extension RecurrentLayerType {
  var forgetGate: Int? { nil }

  var outputs: [ValueShape] {
    let hidden = ValueShape(hasTime: spec.returnsSequences, features: [spec.cell.outputSize])
    return [hidden] + (spec.returnsState ? spec.stateShapes : [])
  }
  var parameters: [ParameterSpec] { spec.parameters(forgetGate: forgetGate) }
  var canStream: Bool { !spec.isReverse }
  var canContinue: Bool { canStream && !spec.takesInitialState }
  /// Initial states are those of the first step.
  func canWalk(_ changes: [Bool]) -> Bool {
    canStream && changes.prefix(spec.sequenceCount).allSatisfy { $0 }
      && !changes.dropFirst(spec.sequenceCount).contains(true)
  }
  var reordersTime: Bool { spec.isReverse && spec.returnsSequences }
  var stateSize: Int { spec.cell.stateSize }

  func initialState(_ source: ParameterSource) -> [PlacedParameter] {
    spec.initialStateNames.map { source($0) }
  }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? {
    try RecurrentWeights(spec, source)
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    guard let weights = placement.weights as? RecurrentWeights else {
      preconditionFailure("\(placement.name) without its weights")
    }
    let states = spec.stateShapes.count
    return try RecurrentRun(
      spec, weights, &placement,
      RecurrentRun.Connections(
        input: placement.inputs[0], scores: spec.traits.hasScores ? placement.inputs[1] : nil,
        initialStates: Array(placement.inputs.dropFirst(spec.sequenceCount)),
        output: RecurrentRun.Target(placement.outputs[0]),
        finalStates: spec.returnsState ? Array(placement.outputs[1...states]) : [],
        outputValidity: placement.outputs[0].validity, repeatsMasked: true,
        stateOffset: placement.stateOffset, randomStream: placement.randomStream,
        layerIndex: placement.layerIndex))
  }
}
