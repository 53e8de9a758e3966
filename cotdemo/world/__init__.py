"""The embedded world: scenes of coloured objects, prompts of GenEval's six kinds, and exact checkers."""
