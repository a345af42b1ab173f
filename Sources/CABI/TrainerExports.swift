// TrainerExports.swift — refrain_trainer_*

import CRefrain
import Engine
import Format

@_cdecl("refrain_trainer_create") @implementation
public func refrain_trainer_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<CChar>!,
  _ trainer: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let options = try CABI.options(options)
    let result = try required(trainer, named: "trainer")
    result.pointee = try Handles.make(try Trainer(model, options: options), .trainer)
  }
}

@_cdecl("refrain_trainer_release") @implementation
public func refrain_trainer_release(_ trainer: OpaquePointer!) {
  Handles.release(trainer, .trainer)
}

@_cdecl("refrain_trainer_fit") @implementation
public func refrain_trainer_fit(
  _ trainer: OpaquePointer!, _ train: UnsafePointer<refrain_dataset>!,
  _ valid: UnsafePointer<refrain_dataset>!, _ options: UnsafePointer<CChar>!,
  _ progress: refrain_progress_callback!, _ user: UnsafeMutableRawPointer!
) -> refrain_status {
  boundary { callersMode in
    let trainer = try CABI.trainer(trainer)
    let train = try dataSource(train, named: "train", callersMode)
    let valid = try valid.map { try dataSource($0, named: "valid", callersMode) }
    let options = try CABI.options(options)
    try trainer.fit(train, validation: valid, options: options) { report in
      guard let progress else { return true }
      var record = refrain_progress(report)
      return callersMode.lend { progress(user, &record) } == 0
    }
  }
}

extension refrain_progress {
  fileprivate init(_ report: FitProgress) {
    self.init()
    struct_size = Int64(MemoryLayout<refrain_progress>.size)
    event = Int32(
      report.isEndOfEpoch ? REFRAIN_EPOCH_END : REFRAIN_BATCH_END)
    stopping = report.isStopping ? 1 : 0
    epoch = Int64(report.epoch)
    epochs = Int64(report.epochs)
    batch = Int64(report.batch)
    batches = Int64(report.batches)
    sequences = Int64(report.sequences)
    updates = Int64(report.updates)
    loss = report.loss
    accuracy = report.accuracy
    valid_loss = report.validLoss
    valid_accuracy = report.validAccuracy
    learning_rate = report.learningRate
    gradient_norm = report.gradientNorm
    seconds = report.seconds
    sequences_per_second = report.sequencesPerSecond
  }
}

@_cdecl("refrain_trainer_forward") @implementation
public func refrain_trainer_forward(
  _ trainer: OpaquePointer!, _ inputs: UnsafePointer<refrain_tensor>!, _ inputCount: Int64,
  _ outputs: UnsafeMutablePointer<refrain_tensor>!, _ outputCount: Int64
) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    defer { trainer.arguments.removeAll() }
    try read(inputs, inputCount, named: "inputs", into: &trainer.arguments.inputs)
    try read(outputs, outputCount, named: "outputs", into: &trainer.arguments.outputs)
    try trainer.forward(trainer.arguments.inputs, into: trainer.arguments.outputs)
  }
}

@_cdecl("refrain_trainer_backward") @implementation
public func refrain_trainer_backward(
  _ trainer: OpaquePointer!, _ outputGradients: UnsafePointer<refrain_tensor>!,
  _ outputCount: Int64, _ inputGradients: UnsafeMutablePointer<refrain_tensor>!, _ inputCount: Int64
) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    defer { trainer.arguments.removeAll() }
    try read(
      outputGradients, outputCount, named: "output_gradients",
      into: &trainer.arguments.outputGradients)
    try read(
      inputGradients, inputCount, named: "input_gradients", into: &trainer.arguments.inputGradients)
    try trainer.backward(
      trainer.arguments.outputGradients, into: trainer.arguments.inputGradients)
  }
}

@_cdecl("refrain_trainer_backward_loss") @implementation
public func refrain_trainer_backward_loss(
  _ trainer: OpaquePointer!, _ targets: UnsafePointer<refrain_tensor>!, _ targetCount: Int64,
  _ sampleWeights: UnsafePointer<refrain_tensor>!, _ loss: UnsafeMutablePointer<Double>!,
  _ inputGradients: UnsafeMutablePointer<refrain_tensor>!, _ inputCount: Int64
) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    defer { trainer.arguments.removeAll() }
    try read(targets, targetCount, named: "targets", into: &trainer.arguments.targets)
    let weights = try read(sampleWeights, named: "sample_weights")
    try read(
      inputGradients, inputCount, named: "input_gradients", into: &trainer.arguments.inputGradients)
    let value = try trainer.backwardLoss(
      trainer.arguments.targets, sampleWeights: weights, into: trainer.arguments.inputGradients)
    loss?.pointee = value
  }
}

@_cdecl("refrain_trainer_update") @implementation
public func refrain_trainer_update(
  _ trainer: OpaquePointer!, _ gradientNorm: UnsafeMutablePointer<Double>!
) -> refrain_status {
  boundary {
    let norm = try CABI.trainer(trainer).update()
    gradientNorm?.pointee = norm
  }
}

@_cdecl("refrain_trainer_zero_gradients") @implementation
public func refrain_trainer_zero_gradients(_ trainer: OpaquePointer!) -> refrain_status {
  boundary { try CABI.trainer(trainer).zeroGradients() }
}

@_cdecl("refrain_trainer_gradient_data") @implementation
public func refrain_trainer_gradient_data(
  _ trainer: OpaquePointer!, _ name: UnsafePointer<CChar>!,
  _ data: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>!, _ count: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    let data = try required(data, named: "data")
    let gradient = try trainer.gradient(text(name, named: "name"))
    data.pointee = gradient.baseAddress
    count?.pointee = Int64(gradient.count)
  }
}

@_cdecl("refrain_trainer_learning_rate") @implementation
public func refrain_trainer_learning_rate(
  _ trainer: OpaquePointer!, _ learningRate: UnsafeMutablePointer<Double>!
) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    try required(learningRate, named: "learning_rate").pointee = trainer.learningRate
  }
}

@_cdecl("refrain_trainer_set_learning_rate") @implementation
public func refrain_trainer_set_learning_rate(_ trainer: OpaquePointer!, _ learningRate: Double)
  -> refrain_status
{
  boundary { try CABI.trainer(trainer).setLearningRate(learningRate) }
}

@_cdecl("refrain_trainer_updates") @implementation
public func refrain_trainer_updates(
  _ trainer: OpaquePointer!, _ updates: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    try required(updates, named: "updates").pointee = Int64(trainer.updates)
  }
}

@_cdecl("refrain_trainer_report") @implementation
public func refrain_trainer_report(_ trainer: OpaquePointer!, _ metric: Double) -> refrain_status {
  boundary {
    let trainer = try CABI.trainer(trainer)
    guard metric.isFinite else {
      throw BoundaryError.argument("metric: expected a finite number, found \(metric)")
    }
    trainer.report(metric)
  }
}

@_cdecl("refrain_trainer_notation") @implementation
public func refrain_trainer_notation(
  _ trainer: OpaquePointer!, _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary { try write(CABI.trainer(trainer).notation, text, capacity, length) }
}

@_cdecl("refrain_trainer_save") @implementation
public func refrain_trainer_save(_ trainer: OpaquePointer!, _ path: UnsafePointer<CChar>!)
  -> refrain_status
{
  boundary { try Checkpoint.save(CABI.trainer(trainer), path: text(path, named: "path")) }
}

@_cdecl("refrain_trainer_load") @implementation
public func refrain_trainer_load(_ trainer: OpaquePointer!, _ path: UnsafePointer<CChar>!)
  -> refrain_status
{
  boundary { try Checkpoint.load(into: CABI.trainer(trainer), path: text(path, named: "path")) }
}
