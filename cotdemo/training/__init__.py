"""What made ``assets/mini``: one stage a module, each a recipe (a dataclass) and a ``train`` function.

Every stage is deterministic in its seed: the batch of step ``i`` depends on ``(seed, i)`` alone, so a stopped run
resumes as if it had never stopped.
"""
