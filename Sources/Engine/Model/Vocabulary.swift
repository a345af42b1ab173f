// Vocabulary.swift — everything the engine's notation knows, in one registry

/// The one registry of names and options.
public enum Vocabulary {
  public static let signatures =
    LayerRegistry.signatures + OutputActivation.signatures + Initializer.signatures
    + Loss.signatures + Optimizer.signatures + Schedule.signatures
    + [
      TrainerOptions.signature, FitOptions.signature, SessionOptions.signature,
      GenerationOptions.signature, EvaluationOptions.signature,
    ]

  public static let registry = Registry(signatures)
}
