"""The embedded world: drawn scenes of GenEval's eighty things, prompts about them, and exact checkers."""
