"""Aligns a tiny generator; ``test_parallel.py`` does so alone and as two processes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import tiny_mini
import torch

from cotdemo.compute import parallel
from cotdemo.training import dpo
from cotdemo.training.loop import Schedule
from cotdemo.training.pairs import Pairs


def main(folders: list[str]) -> None:
    """Of weights in the first folder, into the second."""
    folder, work = map(Path, parallel.agreed(folders))  # as a stage first asks whether a pool is there
    torch.manual_seed(0)
    pipeline = tiny_mini.MiniBackend(root=folder).generator("base")
    prompts = np.asarray(["a photo of a red dog", "a photo of two blue cats"] * 3)
    codes = np.random.default_rng(0).integers(1024, size=(2, 6, 64))
    pairs = Pairs(prompts, *codes, np.ones((6, 64), bool))
    schedule = Schedule(steps=6, lr=1e-3, warmup=1, half=False)
    dpo.train(replace(dpo.Recipe(), batch=4, masks=2, sft=0.0, schedule=schedule), pipeline, pairs, work, every=1)
    (work / f"process-{parallel.team().process_index}").touch()
    parallel.leave()
