"""``python -m cotdemo train STAGE``: remakes a shipped weight from nothing, or goes on where it was stopped.

Each stage writes a folder below ``assets/mini``: half-precision weights, config, and ``recipe.json`` with the recipe,
the steps and minutes it took, on what hardware, what it reached, and the hashes of the weights it was made from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..backends import MINI, RECIPE, RELEASED, file_hash, load_backend, weights_hash
from ..backends.hub import fetch
from ..compute import parallel
from ..compute.hardware import describe, device_of, in_words
from ..errors import UserError
from ..files import write_text
from ..generator.adapter import adapted, is_adapter, new_adapter, read_adapter
from ..generator.magvit import MagvitV2
from ..generator.pipeline import ShowoPipeline
from ..generator.showo import Showo
from ..geneval.metadata import of_file
from ..registry import BACKENDS, CORRECTOR, EMBEDDED
from ..verifiers.llava import LlavaVerifier
from ..world.splits import random_prompts
from ..world.task import DrawnThings
from . import dpo, generator, judge, judge_data, pairs, self_correct, tokenizer, trajectories
from .arrays import Kind
from .judge_data import Lessons
from .task import Task
from .trajectories import Sampling

if TYPE_CHECKING:
    from peft import PeftModel


class Stage:
    """What the stages share: where weights come from and go to, and the record of how they were made."""

    base = EMBEDDED  # the backend whose settings its generators paint with
    task: Task = DrawnThings()

    def __init__(
        self, name: str, work: Path, root: Path, device: str, options: dict[str, Any], seed: int | None = None
    ):
        self.name, self.work, self.root, self.device, self.seed = name, work / name, root, device, seed
        self.folder, sources, self._train = STAGES[name]
        self.made_from = {source: self.version(source) for source in sources}
        self.options = {**options, "made_from": self.made_from}

    def run(self) -> None:
        self._train(self)

    def seeded(self, recipe: Any) -> Any:
        """The stage's recipe, with the seed that was asked for."""
        return recipe if self.seed is None else replace(recipe, seed=self.seed)

    def magvit(self) -> MagvitV2:
        return MagvitV2.from_pretrained(self.root / "magvit", torch_dtype=torch.float32).to(self.device)

    def base_showo(self) -> Showo:
        return Showo.from_pretrained(self.root / "showo", torch_dtype=torch.float32).to(self.device)

    def showo(self, folder: str | Path = "showo") -> Showo:
        """The generator in a folder, of its own weights or of those that an adapter changes."""
        if folder == "showo":
            return self.base_showo()
        if is_adapter(self.root / folder):
            return adapted(self.base_showo(), self.root / folder)
        return Showo.from_pretrained(self.root / folder, torch_dtype=torch.float32).to(self.device)

    def words(self) -> PreTrainedTokenizerBase:
        return self.task.tokenizer()

    def judge(self, folder: str) -> LlavaVerifier:
        return LlavaVerifier.from_pretrained(self.root / folder, device=self.device)

    def pipeline(self, folder: str | Path = "showo") -> ShowoPipeline:
        return self.pipeline_with(self.showo(folder))

    def pipeline_with(self, showo: Showo) -> ShowoPipeline:
        row = BACKENDS[self.base]
        rules = {name: row.defaults[name] for name in ("steps", "guidance", "temperature")}
        return ShowoPipeline(self.words(), showo, self.magvit(), **rules, annealing=row.annealing)

    def sampled(self, paintings: Sampling, folder: str = "showo") -> Lessons:
        """Lessons from paintings of one generator."""
        name = f"painted-{paintings.count}x{paintings.guesses}-{paintings.seed}"
        return self._lessons(name, folder, lambda: trajectories.sampled(self.pipeline(folder), paintings))

    def repainted(self, paintings: Sampling, first: Lessons) -> Lessons:
        """Lessons from repaintings, by the self-correcting generator, of the wrong ones of ``first``."""
        name = f"repainted-{paintings.count}x{paintings.guesses}-{paintings.seed}"
        finals = judge_data.finals(first)
        wrong = finals.only(np.flatnonzero(finals.outcome == 0))
        return self._lessons(
            name, CORRECTOR, lambda: trajectories.repainted(self.pipeline(CORRECTOR), wrong, paintings)
        )

    def rolled_out(self, paintings: Sampling, rollouts: int, folder: str = "showo") -> Lessons:
        """Lessons from paintings of one generator, labelled by rollouts."""
        name = f"rollouts-{paintings.count}x{paintings.guesses}x{rollouts}-{paintings.seed}"
        return self._lessons(name, folder, lambda: trajectories.rolled_out(self.pipeline(folder), paintings, rollouts))

    def drawn(self, drawn: judge_data.Drawn) -> Lessons:
        """Lessons on drawn images."""
        name = f"drawn-{drawn.count}-{'-'.join(drawn.splits)}-{drawn.damaged}-{drawn.seed}"
        return self._lessons(name, "magvit", lambda: judge_data.drawn(self.magvit(), drawn))

    def _lessons(self, name: str, folder: str, make: Callable[[], Lessons]) -> Lessons:
        """Lessons made with the weights in ``folder``; several stages learn from the same ones."""
        return _kept(self.work.parent / f"{name}-{self.version(folder)}.npz", Lessons, make)

    def trained(self, folders: Iterable[str]) -> list[str]:
        """Those of the folders that are there, which ``made_from`` then names too."""
        found = [folder for folder in folders if (self.root / folder).is_dir()]
        self.made_from.update({folder: self.version(folder) for folder in found})
        return found

    def pool(self, folder: str | Path, recipe: dpo.Recipe) -> pairs.Pool:
        """Images by the generator in ``folder``, and which of them are right."""
        file = self.work.parent / f"pool-{self._pool_name(recipe)}-{self.version(folder)}.npz"

        def paint() -> pairs.Pool:
            prompts = self._prompts(recipe)
            return pairs.sample_pool(self.pipeline(folder), prompts, recipe.paths, recipe.painted, self._label())

        return _kept(file, pairs.Pool, paint)

    def mended(self, folder: str | Path, recipe: dpo.Recipe, pool: pairs.Pool) -> pairs.Pairs:
        """Wrong images of a pool by the generator in ``folder``, and what it has made right as the guide says."""
        of = f"{self._pool_name(recipe)}-{self.version(folder)}-{self.version('judge-guide')}"

        def paint() -> pairs.Pairs:
            label = pairs.called_right(self.judge("judge-guide"))
            return pairs.mended(self.pipeline(folder), pool, recipe.tries, recipe.most_mended, recipe.painted, label)

        return _kept(self.work.parent / f"mended-{of}.npz", pairs.Pairs, paint)

    @staticmethod
    def _pool_name(recipe: dpo.Recipe) -> str:
        return f"{recipe.prompts}x{recipe.paths}-{'-'.join(recipe.splits)}-{recipe.painted}"

    def version(self, folder: str | Path) -> str:
        return weights_hash(self.root / folder)

    def _prompts(self, recipe: dpo.Recipe) -> list[str]:
        rng, each = np.random.default_rng([recipe.painted, 19]), recipe.prompts // len(recipe.splits)
        return [entry["prompt"] for split in recipe.splits for entry in random_prompts(split, each, rng)]

    def _label(self) -> pairs.Label:
        return pairs.strictly_right(self.task)

    def save(self, model: Any, recipe: Any, reached: dict[str, Any]) -> None:
        if not parallel.first():
            return
        folder = self.root / self.folder
        made = folder.with_name(f".{self.folder}.part")  # weights and the record of their hash change places together
        shutil.rmtree(made, ignore_errors=True)
        model.save_pretrained(made)
        (made / "README.md").unlink(missing_ok=True)  # an adapter's, without anything of its own
        if (made / "config.json").exists():
            _forget_origin(made / "config.json")
        files = self.work.rglob("checkpoint.pt")  # a stage may have two phases
        saved = [torch.load(file, map_location="cpu", weights_only=True) for file in files]
        record = {
            "command": f"python -m cotdemo train {self.name}"
            + (f" --seed {self.seed}" if self.seed is not None else ""),
            "recipe": asdict(recipe),
            "steps": sum(phase["step"] for phase in saved),
            "minutes": round(sum(phase["seconds"] for phase in saved) / 60, 1),
            "hardware": in_words(describe(self.device)),
            "reached": reached,
            "weights": file_hash(next(made.glob("*.safetensors"))),
            "made_from": self.made_from,
        }
        write_text(made / RECIPE, json.dumps(record, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)
        print(json.dumps(record["reached"]), f"-> {folder}", flush=True)


class ReleasedStage(Stage):
    """Alignment of a released Show-o: prompts come from a file, and the released ORM says which images are right."""

    def __init__(self, base: str, prompts: Sequence[str], *arguments: Any):
        self.base, self._texts = base, prompts
        super().__init__(*arguments)
        self._backend = load_backend(base, self.device)

    def magvit(self) -> MagvitV2:
        return self._backend.magvit

    def words(self) -> PreTrainedTokenizerBase:
        return self._backend.tokenizer

    def base_showo(self) -> Showo:
        folder = fetch(RELEASED[self.base].generators["base"])
        return Showo.from_pretrained(folder, torch_dtype=torch.float32).to(self.device)

    def judge(self, folder: str) -> LlavaVerifier:
        return self._backend.verifier("parm")

    def version(self, folder: str | Path) -> str:
        here = (self.root / folder).is_dir()
        return super().version(folder) if here else f"{self.base}-{folder}"

    def _prompts(self, recipe: dpo.Recipe) -> list[str]:
        return list(self._texts[: recipe.prompts])

    def _label(self) -> pairs.Label:
        return pairs.called_right(self._backend.verifier("orm"))


def _kept(file: Path, kind: type[Kind], make: Callable[[], Kind]) -> Kind:
    """What is made once for one set of weights, whose hash is in the file's name, and kept."""
    if parallel.agreed(file.exists()):
        return kind.load(file)
    if parallel.first():
        print(f"making {file.name}", flush=True)
    made = make()
    if parallel.first():
        made.save(file)
    return made


def _forget_origin(config: Path) -> None:
    """Take out the path that diffusers notes of the weights a model was loaded from; ``made_from`` says it by hash."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values.pop("_name_or_path", None)
    write_text(config, json.dumps(values, indent=2) + "\n")


def _train_tokenizer(stage: Stage) -> None:
    recipe = stage.seeded(tokenizer.Recipe())
    model = tokenizer.train(recipe, stage.work, stage.device, **stage.options)
    reached = tokenizer.evaluate(model, count=500, seed=7)
    stage.save(model.half(), recipe, reached)


def _train_generator(stage: Stage) -> None:
    recipe = stage.seeded(generator.Recipe())
    magvit = stage.magvit()
    model = generator.train(recipe, stage.task, magvit, stage.work, stage.device, **stage.options)
    reached = generator.evaluate(model, stage.task, magvit, each=100) if parallel.first() else {}
    stage.save(model.half(), recipe, reached)
    if parallel.first():
        stage.words().save_pretrained(stage.root / "tokenizer")


def _train_judge(stage: Stage) -> None:
    recipe = stage.seeded(judge.RECIPES[stage.name])
    recipe = replace(recipe, paintings={folder: recipe.paintings[folder] for folder in stage.trained(recipe.paintings)})
    magvit, drawn = stage.magvit(), stage.drawn(recipe.drawn)
    if recipe.on_drawn:
        model = judge.train(recipe, recipe.on_drawn, magvit, drawn, stage.work / "drawn", stage.device, **stage.options)
    else:
        model = LlavaVerifier.from_pretrained(stage.root / "judge-zero-shot", device=stage.device)
    counts = {}
    if recipe.on_painted:
        painted = _trajectories(stage, recipe)
        counts = {"painted": len(painted), "of_them_yes": round(float(painted.outcome.mean()), 4)}
        both = Lessons.join(painted, drawn.only(range(min(len(drawn), len(painted) // 2))))
        model = judge.train(recipe, recipe.on_painted, magvit, both, stage.work, stage.device, model, **stage.options)
    model.model.half()
    stage.save(model, recipe, counts)


def _trajectories(stage: Stage, recipe: judge.Recipe) -> Lessons:
    """Lessons on generated images, from all generators of a recipe."""
    parts: dict[str, Lessons] = {}
    for folder, paintings in recipe.paintings.items():
        if recipe.rollouts:
            parts[folder] = stage.rolled_out(paintings, recipe.rollouts, folder)
        elif folder == CORRECTOR:
            parts[folder] = stage.repainted(paintings, parts["showo"])
        else:
            parts[folder] = stage.sampled(paintings, folder)
    return Lessons.join(*parts.values())


def _train_self_correct(stage: Stage) -> None:
    recipe = stage.seeded(self_correct.Recipe())
    magvit, base = stage.magvit(), stage.showo()

    wrong = Lessons.join(judge_data.finals(stage.sampled(recipe.paintings)), stage.drawn(recipe.drawn))
    data = self_correct.corrections(magvit, wrong)
    plain = generator.token_pool(stage.task, magvit, "pretrain", 8000, recipe.seed, stage.work / "plain.npz")
    model = self_correct.train(recipe, base, data, plain, stage.work, **stage.options)
    stage.save(model.half(), recipe, {})


def _aligned(source: str, *rounds: dpo.Recipe) -> Callable[[Stage], None]:
    """Alignment of the generator in the folder ``source``, each round by pairs of the images it paints by then.

    A stage's seed is that of its last round; the earlier ones are the same for all.
    """

    def train(stage: Stage) -> None:
        *earlier, last = rounds
        recipe, folder, reached = stage.seeded(last), source, []
        for one in earlier:
            folder = _between(stage, folder, one)
            reached.append(json.loads((folder / RECIPE).read_text(encoding="utf-8")))
        model, now = _align(stage, folder, recipe, stage.work)
        stage.save(model.half(), recipe, {**now, "earlier_rounds": reached} if earlier else now)

    return train


def _between(stage: Stage, folder: str | Path, recipe: dpo.Recipe) -> Path:
    """The generator after an earlier round, which stages and seeds share; it is kept among the work.

    The folder's name has hashes of what it was made by: the recipe, and the weights it began with.
    """
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode()).hexdigest()[:8]
    kept = (stage.work.parent / f"aligned-{digest}-{stage.version(folder)}").resolve()
    if not parallel.agreed((kept / RECIPE).exists()):
        model, reached = _align(stage, folder, recipe, kept / "training")
        if parallel.first():
            model.half().save_pretrained(kept)  # the adapter alone
            record = {"recipe": asdict(recipe), "reached": reached}
            write_text(kept / RECIPE, json.dumps(record) + "\n")  # last, as it says that the rest is there
        parallel.meet()  # all go on from what the first process has written
    return kept


def _align(stage: Stage, folder: str | Path, recipe: dpo.Recipe, work: Path) -> tuple[PeftModel, dict[str, Any]]:
    """One round: the adapter that aligns the generator, and what it was aligned with. A later round goes on with that
    of the one before. Raises UserError without any pair."""
    pool = stage.pool(folder, recipe)
    found = pairs.pairs_of(pool, recipe.most, recipe.painted)
    mixed = int((pool.right.any(1) & ~pool.right.all(1)).sum())
    print(f"{len(found)} pairs of {mixed} of {len(pool.prompts)} prompts; the others' images agree", flush=True)
    mended = stage.mended(folder, recipe, pool) if recipe.guidance else None
    before = stage.root / folder
    if folder != "showo" and not is_adapter(before):
        raise UserError(f"{before} holds no adapter of the generator that all rounds begin with: align it anew.")
    showo = stage.base_showo()
    adapter = read_adapter(showo, before, trainable=True) if is_adapter(before) else new_adapter(showo, recipe.rank)
    dpo.train(recipe, stage.pipeline_with(showo), found, work, mended, **stage.options)
    reached = {"pairs": len(found), "prompts": len(pool.prompts), "prompts_with_pairs": mixed,
               "right_before": round(float(pool.right.mean()), 4)}  # fmt: skip
    if mended is not None:
        reached["mended"] = len(mended)
    return adapter, reached


# stage -> folder below assets/mini, those of the weights that it starts from, what to do
STAGES: dict[str, tuple[str, tuple[str, ...], Callable[[Stage], None]]] = {
    "tokenizer": ("magvit", (), _train_tokenizer),
    "generator": ("showo", ("magvit",), _train_generator),
    "judge-zero-shot": ("judge-zero-shot", ("magvit",), _train_judge),
    "judge-orm": ("judge-orm", ("magvit", "showo", "judge-zero-shot"), _train_judge),
    "judge-prm": ("judge-prm", ("magvit", "showo", "judge-zero-shot"), _train_judge),
    "judge": ("judge", ("magvit", "showo", "judge-zero-shot"), _train_judge),
    "judge-guide": ("judge-guide", ("magvit", "showo"), _train_judge),
    "self-correct": ("self-correct", ("magvit", "showo"), _train_self_correct),
    "dpo": ("dpo", ("magvit", "showo"), _aligned("showo", dpo.FIRST)),
    "dpo-iter": ("dpo-iter", ("magvit", "dpo"), _aligned("dpo", dpo.SECOND, dpo.THIRD)),
    "dpo-iter-parm": ("dpo-iter-parm", ("magvit", "dpo", "judge-guide"), _aligned("dpo", dpo.SECOND, dpo.GUIDED)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--work", type=Path, default=Path("runs"), help="checkpoints and logs (default: runs/)")
    parser.add_argument("--assets", type=Path, default=MINI, help="where weights are read and written")
    parser.add_argument("--device", help="cpu, cuda, ...; by default a GPU where there is one, each process its own")
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument(
        "--base", default=EMBEDDED, help=f"dpo stages: what is aligned, {' | '.join(BACKENDS)} ({EMBEDDED})"
    )
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="for another base: prompts, as GenEval's metadata")
    parser.add_argument("--seed", type=int, help="of the training (default: the recipe's own)")
    parser.add_argument("--stop-after-minutes", type=float, help="stop then, to go on later with the same command")


def main(arguments: argparse.Namespace) -> None:
    """Run one stage. Raises UserError where the weights it starts from are missing, or a base cannot be trained so."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    options = {
        "checkpoint_minutes": arguments.checkpoint_minutes,
        "stop_after_minutes": arguments.stop_after_minutes,
    }
    device = device_of(arguments.device) if arguments.device else parallel.device()
    of = (arguments.stage, arguments.work, arguments.assets, device, options, arguments.seed)
    if arguments.base == EMBEDDED:
        Stage(*of).run()
        parallel.leave()
        return
    if arguments.base not in RELEASED or not arguments.stage.startswith("dpo"):
        raise UserError(f"Only the dpo stages align another base, and that is one of: {', '.join(RELEASED)}.")
    if arguments.prompts is None or arguments.assets == MINI:
        raise UserError("Name the prompts of another base, --prompts FILE, and a folder for its weights, --assets DIR.")
    ReleasedStage(arguments.base, [entry["prompt"] for entry in of_file(arguments.prompts)], *of).run()
    parallel.leave()
