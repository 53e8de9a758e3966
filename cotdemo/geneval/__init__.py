"""GenEval (github djghosh13/geneval, MIT): its prompts, drawn again by the published procedure, and its rules."""
