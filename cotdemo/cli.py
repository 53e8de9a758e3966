"""``python -m cotdemo generate | eval | bench``, and the commands of ``_ELSEWHERE``.

A command's parser and its function stand side by side; what they do lives in ``search``, ``evaluation`` and
``training``. Nothing heavy is imported before the arguments have been checked.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compute.precision import AUTO, CHOICES
from .errors import OUT_OF_MEMORY, UserError, is_out_of_memory
from .fields import Flag, Number, OneOf, Whole, among, whole
from .files import check_writable, write_json, write_text
from .registry import BACKENDS, EMBEDDED, METHODS, BackendSpec
from .settings import SETTINGS, Setting, Settings

if TYPE_CHECKING:
    from .backends import Backend
    from .benchmark.released import Script
    from .evaluation.records import Journal
    from .evaluation.runner import Runner
    from .geneval.folder import Entry
    from .geneval.scoring import AsPainted
    from .run.events import Event

USER_ERROR, FAILED, STOPPED = 2, 1, 130

# commands that bring ``add_arguments(parser)`` and ``main(options)``, or, where one module has two, ``NAME_arguments``
# and ``NAME``; they import torch for them
_ELSEWHERE = {
    "app": ("cotdemo.app", "serve the page"),
    "train": ("cotdemo.training.stages", "remake a shipped weight from nothing, or go on where that was stopped"),
    "pool": ("cotdemo.evaluation.pool", "paint and judge whole paths once, from which eval --table reads its rows"),
    "judge": ("cotdemo.evaluation.judging:judge", "how well the judge tells right from wrong, beside a blind one"),
    "agree": ("cotdemo.evaluation.judging:agree", "what a precision costs in answers, by the embedded judge"),
    "look": (
        "cotdemo.evaluation.judging:look",
        "images for a person's blind look, or that look beside the checkers",
    ),
    "geneval": ("cotdemo.backends.scorer", "GenEval's official prompt files, and its score of images"),
    "trace": ("cotdemo.run.listing", "a run as a table: one row per path and step of a trace"),
    "animate": ("cotdemo.run.animation", "a run as a moving image: a GIF or WebP of a trace"),
    "doctor": ("cotdemo.doctor", "what is here, what misses and what to do: torch, GPU, downloads, weights, a run"),
    "docs": ("cotdemo.docs", "write the tables in README and docs that derive from the code"),
    "record": ("cotdemo.ui.recording", "make the recorded runs anew that the page shows first"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. What a user can mend ends in its message alone."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(*arguments[:1]).parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
        return 0
    except UserError as error:
        return _end(USER_ERROR, str(error))
    except KeyboardInterrupt as stop:
        return _end(STOPPED, str(stop) or "Stopped.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more as it exits
        return FAILED
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        if not error.filename and not full:
            raise
        remedy = " Make room, or choose a place on another disk." if full else ""
        what = error.filename or "The output"
        return _end(USER_ERROR, f"{what} cannot be written or read: {error.strerror}.{remedy}")
    except FloatingPointError as error:
        return _end(FAILED, str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _end(FAILED, OUT_OF_MEMORY)


def _end(status: int, message: str) -> int:
    _status("")
    print(message, file=sys.stderr)
    return status


def _status(message: str) -> None:
    """What is happening just now: one line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{message}", end="", file=sys.stderr, flush=True)


def _say(line: str) -> None:
    _status("")
    print(line, flush=True)


def _parser(command: str = "") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cotdemo", description="Image generation that thinks step by step.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _generate_parser(commands)
    _eval_parser(commands)
    _bench_parser(commands)
    _profile_parser(commands)
    for name, (home, what) in _ELSEWHERE.items():
        elsewhere = commands.add_parser(name, help=what)
        if name == command:
            home, _, of = home.partition(":")
            module = import_module(home)
            getattr(module, f"{of}_arguments" if of else "add_arguments")(elsewhere)
            elsewhere.set_defaults(run=getattr(module, of or "main"))
    return parser


_OWN = ("prompt", "backend", "seed")  # settings whose options are each command's own


def _settings_options(parser: argparse.ArgumentParser, **fixed: Any) -> None:
    """An option for every setting but those ``fixed``; values are checked by ``Settings``, in the words that page and
    API use."""
    parser.set_defaults(**fixed)
    for name, setting in SETTINGS.items():
        if name not in _OWN and name not in fixed:
            parser.add_argument(f"--{name.replace('_', '-')}", **_option(setting))
    _machine_options(parser)


def _option(setting: Setting) -> dict[str, Any]:
    about = setting.described().replace("%", "%%")  # argparse reads it as a template
    if isinstance(setting.kind, Flag):
        switch = argparse.BooleanOptionalAction if setting.default else "store_true"
        return {"action": switch, "default": setting.default, "help": about}
    known = f"{' | '.join(setting.kind.options)}: " if isinstance(setting.kind, OneOf) else ""
    kind = {Whole: int, Number: float}.get(type(setting.kind), str)
    return {"type": kind, "default": setting.default, "metavar": setting.metavar or None, "help": known + about}


def _machine_options(parser: argparse.ArgumentParser) -> None:
    names = " | ".join(BACKENDS)
    parser.add_argument("--backend", default=EMBEDDED, help=f"{names}; {EMBEDDED} (default) runs on any CPU")
    parser.add_argument(
        "--device", help="cpu, cuda, cuda:1, mps, xpu, ...; by default an accelerator where the backend wants one"
    )
    parser.add_argument("--precision", choices=CHOICES, default=AUTO, help="of a released model; auto: by the card")
    parser.add_argument(
        "--graphs", action="store_true", help="replay a released generator's steps as CUDA graphs (NVIDIA GPUs)"
    )
    parser.add_argument("--threads", type=int, metavar="K", help="processor cores to use")
    parser.add_argument(
        "--assets",
        type=Path,
        metavar="DIR",
        help="other weights: a folder as assets/mini, or with the Hub's repositories",
    )


def _settings(options: argparse.Namespace, prompt: str, seed: int | None) -> Settings:
    chosen = {name: getattr(options, name) for name in SETTINGS if name not in ("prompt", "seed")}
    return Settings.checked(prompt, seed=seed, **chosen)


def _row(options: argparse.Namespace) -> BackendSpec:
    return BACKENDS[among("backend", options.backend, BACKENDS)]


def _load(options: argparse.Namespace) -> Backend:
    row = _row(options)
    if options.threads is not None:
        whole("threads", options.threads, 1, 1024)
    import torch
    from transformers.utils.logging import disable_progress_bar

    from .backends import load_backend
    from .compute import parallel

    disable_progress_bar()  # weights are read in a moment; downloads still show how far they are
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = options.device
    if device is None and not row.ships:
        device = parallel.device()  # of several processes each has a GPU of its own
    more = {"precision": options.precision, "beside": _beside(options), "graphs": options.graphs}
    backend = load_backend(options.backend, device=device, root=options.assets, **more)
    if picked := getattr(backend, "picked", ""):
        print(picked, file=sys.stderr, flush=True)
    return backend


def _beside(options: argparse.Namespace) -> float:
    """Bytes that something else than the backend will take on its device: GenEval's scorer, where it is asked for."""
    if getattr(options, "score", None) is None:
        return 0.0
    from .backends.scorer import BYTES

    return BYTES


# -- generate


def _generate_parser(commands: Any) -> None:
    parser = commands.add_parser("generate", help="paint one prompt; writes winner.png and trace.json")
    parser.add_argument("prompt")
    _settings_options(parser)
    parser.add_argument("--seed", type=int, help="by default one drawn at random, and shown")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for winner.png and trace.json")
    parser.add_argument("--csv", action="store_true", help="also write trace.csv, one row per path and step")
    parser.add_argument(
        "--watch", action="store_true", help="see the paths fill in the terminal; elsewhere, a line a step"
    )
    parser.set_defaults(run=_generate)


def _generate(options: argparse.Namespace) -> None:
    settings = _settings(options, options.prompt, options.seed)
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"{options.out} is a file: name a folder.")
    check_writable(options.out)
    backend = _load(options)

    from .run.png import write_png
    from .run.trace import Trace
    from .search import perform, prepared

    settings = prepared(settings, backend)
    events = perform(settings, backend)
    trace = Trace.of(_told(events, options.watch))
    options.out.mkdir(parents=True, exist_ok=True)
    write_png(options.out / "winner.png", trace.winner.picture, settings)
    trace.save(options.out / "trace.json")
    _say(f"Wrote {options.out / 'winner.png'} and {options.out / 'trace.json'}.")
    if options.csv:
        write_text(options.out / "trace.csv", trace.to_csv())
        _say(f"Wrote {options.out / 'trace.csv'}.")


def _told(events: Iterable[Event], watch: bool) -> Iterator[Event]:
    """The events, told as they come; drawn too, where that is wanted and the output is a terminal."""
    from .run.narration import narrate

    if not watch:
        return narrate(events, _say, _status)
    from .run.terminal import Screen, drawn, in_lines

    if not sys.stdout.isatty():
        return narrate(in_lines(events, _say), _say, _status)
    screen = Screen(sys.stdout)
    return narrate(drawn(events, screen), screen.say, screen.status)


# -- eval


def _eval_parser(commands: Any) -> None:
    parser = commands.add_parser("eval", help="accuracy by kind of prompt, with intervals")
    _settings_options(parser, checklist=False)  # which costs, is shown to nobody, and chooses nothing
    parser.add_argument("--seed", type=int, default=0, help="of which every image's own is made (0)")
    parser.add_argument("--split", default="test", help="embedded prompts: dev | test, GenEval's 553 (default)")
    parser.add_argument("--metadata", type=Path, metavar="FILE", help="GenEval's evaluation_metadata.jsonl instead")
    parser.add_argument("--limit", type=int, metavar="K", help="the first K prompts of each kind")
    parser.add_argument("--images", type=int, metavar="P", help="images a prompt (1; 4 with --metadata)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the winners in GenEval's folder layout")
    parser.add_argument(
        "--score", nargs="?", const="official", metavar="DETECTOR",
        help="GenEval's score of what --out keeps, as it is painted: official (default) | approximate",
    )  # fmt: skip
    parser.add_argument("--finish-pruned", action="store_true", help="learn what stopped paths would have become")
    parser.add_argument("--critique", default="real", help="real | empty | shuffled: what parm++ repaints from")
    parser.add_argument("--beside", type=Path, metavar="FILE", help="with as many paths as that parm++ evaluation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures and all records go")
    parser.add_argument("--resume", action="store_true", help="go on where FILE was left")
    parser.add_argument(
        "--compare", type=Path, nargs="+", metavar=("A B", "A B"), help="B minus A, over all such pairs; paints nothing"
    )
    parser.add_argument("--table", action="store_true", help="all rows of the ladder, into assets/ladder.json")
    parser.add_argument("--curves", action="store_true", help="accuracy by paths and compute, into assets/curves.json")
    parser.add_argument(
        "--variants", action="store_true", help="parm by other rules of stopping; adaptive and think by enough"
    )
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="with --table: these rows only, and anew")
    parser.add_argument("--training-seed", action="append", metavar="LABEL=DIR", help="with --table: other weights too")
    parser.add_argument("--dry-run", action="store_true", help="with --table, --curves: how long it takes, by a sample")
    parser.set_defaults(run=_eval)


def _eval(options: argparse.Namespace) -> None:
    if options.compare:
        _compare(options)
        return
    if options.table or options.curves or options.variants:
        _whole_ladder(options)
        return
    if options.json is None:
        raise UserError("Name the file for the figures: --json FILE.")
    for folder in filter(None, (options.json.parent, options.out)):
        check_writable(folder)

    from .evaluation import entries as prompts
    from .geneval.metadata import MAX_LINES, of_file

    metadata = of_file(options.metadata) if options.metadata else prompts.of_split(options.split)
    images = options.images if options.images is not None else 4 if options.metadata else 1
    chosen = prompts.select(
        metadata,
        None if options.limit is None else whole("limit", options.limit, 1, MAX_LINES),
        whole("images", images, 1, 100),
    )
    base = _settings(options, chosen[0].prompt, options.seed)
    backend = _load(options)
    if backend.check is None and options.out is None:
        raise UserError(f"Nothing here can check what {backend.name} paints: keep the images for GenEval, --out DIR.")

    from .compute import parallel
    from .evaluation.records import Journal
    from .evaluation.runner import Runner

    asked = {
        **{name: value for name, value in base.as_dict().items() if name != "prompt"},
        "prompts": f"{'file' if options.metadata else options.split} {prompts.fingerprint(metadata)}",
        "finish_pruned": options.finish_pruned,
        "critique": options.critique,
        "beside": options.beside.name if options.beside else None,
        "weights": dict(backend.weights),
    }
    scored = _scored(options, chosen, backend)
    runner = Runner(backend, base, options.finish_pruned, options.critique, options.out, options.beside, scored)
    runner.check(chosen)
    journal = Journal(options.json, asked, options.resume, parallel.team().process_index)
    left = runner.left(chosen, journal)
    own = parallel.own(list(dict.fromkeys(entry.index for entry in left)))  # all images of one by one process
    parallel.meet()  # nobody writes before all have read
    with journal, scored or nullcontext():
        _watch(runner, [entry for entry in left if entry.index in own], journal)
    parallel.meet()
    if parallel.first():
        journal.gather()
        _report(journal, chosen, asked, backend)
        if scored:
            scored.finish()
    parallel.leave()


def _scored(options: argparse.Namespace, chosen: Sequence[Entry], backend: Backend) -> AsPainted | None:
    """GenEval's scorer of what an evaluation paints, where it was asked for."""
    if options.score is None:
        return None
    if options.out is None:
        raise UserError("What is scored are the images that are kept: name a folder for them, --out DIR.")

    from .backends.scorer import load_scorer
    from .geneval.scoring import AsPainted, check
    from .run.narration import say

    check(chosen)
    scorer = load_scorer(options.score, getattr(backend, "device", "cpu"), options.assets, tell=say)
    return AsPainted(options.out, chosen, scorer)


def _report(journal: Journal, chosen: Sequence[Entry], asked: dict[str, Any], backend: Backend) -> None:
    """Write an evaluation's file, and its figures for a reader."""
    from .compute.hardware import describe, in_words
    from .evaluation.report import summarise, table

    places = [entry.place for entry in chosen]
    summary = summarise([journal.records[place] for place in places], embedded=not asked["prompts"].startswith("file"))
    hardware = describe(getattr(backend, "device", "cpu"))
    journal.finish(places, hardware=hardware, summary=summary)
    _say(_heading(asked))
    _say(table(summary))
    _say(f"on {in_words(hardware)}; weights {', '.join(f'{name} {hash}' for name, hash in asked['weights'].items())}")


def _whole_ladder(options: argparse.Namespace) -> None:
    if not _row(options).checked:
        raise UserError("The ladder is measured with the embedded model: nothing here can check other images.")
    if options.limit is not None:
        whole("limit", options.limit, 1, 100)
    backend = _load(options)

    from .evaluation import curves, ladder, variants

    method = METHODS[SETTINGS["method"].kind.check("method", options.method)]
    tried = variants.thresholds if method.waves else variants.rules
    (ladder.main if options.table else curves.main if options.curves else tried)(options, backend)


def _watch(runner: Runner, entries: Sequence[Entry], journal: Journal) -> None:
    """Paint all entries, telling how far it is: always on a terminal, now and then in a log."""
    terminal = sys.stderr.isatty()
    left = sum(entry.place not in journal.records for entry in entries)
    begun = told = time.monotonic()
    try:
        for painted, record in enumerate(runner.run(entries, journal), 1):
            now = time.monotonic()
            if now - told < (0.5 if terminal else 30):
                continue
            told, rate = now, (now - begun) / painted
            known = [one.final.strict for one in journal.records.values() if one.final.strict is not None]
            right = f", {sum(known) / len(known):.3f} right so far (strict)" if known else ""
            minutes = (left - painted) * rate / 60
            text = f"{painted} of {left}, {record.kind}{right}, {rate:.2f} s each, {minutes:.0f} min left"
            _status(text) if terminal else print(text, file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped; {len(journal.records)} images are kept. The same command with --resume goes on."
        ) from None


def _heading(asked: dict[str, Any]) -> str:
    return (
        f"{asked['method']} on {asked['backend']}, model {asked['model']}: {asked['paths']} paths, "
        f"{asked['steps']} steps, guidance {asked['guidance']:g}, temperature {asked['temperature']:g}, "
        f"seed {asked['seed']}; prompts: {asked['prompts']}"
    )


def _compare(options: argparse.Namespace) -> None:
    from .evaluation.records import load
    from .evaluation.report import compare, comparison_table

    if len(options.compare) % 2:
        raise UserError("Name two files to compare, A and B, or several times two.")
    loaded = list(map(load, options.compare))
    a, b = ([record for _, records in loaded[side::2] for record in records] for side in (0, 1))
    asked_a, asked_b = loaded[0][0], loaded[1][0]
    if options.json is not None and options.json.exists():
        raise UserError(f"{options.json} exists: delete it, or name another file.")
    result = {"a": asked_a, "b": asked_b, **compare(a, b)}
    for number, (asked, _) in enumerate(loaded):
        _say(f"{'AB'[number % 2]}: {_heading(asked)}")
    _say(comparison_table(result))
    if options.json is not None:
        write_json(options.json, result)


# -- bench


def _bench_parser(commands: Any) -> None:
    parser = commands.add_parser("bench", help="the fast path against the released code's procedure, same weights")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--prompts", type=int, default=6, metavar="K", help="prompts of the dev split (6, one a kind)")
    parser.add_argument("--paths", type=int, default=8, metavar="N")
    parser.add_argument("--steps", type=int, default=18, metavar="T")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clear-at", type=int, metavar="T", help="the first step that is clear (the 8th of 18)")
    parser.add_argument("--stop-one-in", type=int, default=4, metavar="K", help="paths that are hopeless then (4)")
    parser.add_argument("--judge-from", type=int, default=1, metavar="T", help="the step that ours judges first (1)")
    parser.add_argument("--random", action="store_true", help="weights at random: a released backend at full size")
    parser.add_argument("--count", action="store_true", help="count its operations only, which needs no GPU")
    _machine_options(parser)
    parser.set_defaults(run=_bench)


def _bench(options: argparse.Namespace) -> None:
    count = whole("prompts", options.prompts, 1, 600)
    check_writable(options.json.parent)
    base = Settings.checked(
        "bench", "parm", options.backend, paths=options.paths, steps=options.steps, seed=options.seed,
        judge_from=options.judge_from, checklist=False,
    )  # fmt: skip
    clear_at = None if options.clear_at is None else whole("clear-at", options.clear_at, 1, base.steps)
    one_in = whole("stop-one-in", options.stop_one_in, 1, 1000)
    _refuse_random(options)

    from .benchmark.released import Script

    script = Script.typical(base.steps) if clear_at is None else Script(clear_at - 1)
    script = replace(script, hopeless_one_in=one_in)
    if options.count:
        result, in_words = _counted(base, script)
    else:
        from .benchmark.bench import bench, in_words

        backend = _random(options) if options.random else _load(options)
        keep = lambda so_far: write_json(options.json, so_far)  # noqa: E731
        result = bench(backend, base, script, count, _status, keep, _as_released(backend, options))

    write_json(options.json, result)
    _say(in_words(result))


def _refuse_random(options: argparse.Namespace) -> None:
    if _row(options).ships and (options.random or getattr(options, "count", False)):
        raise UserError("The embedded model's weights are here: --random and --count are for the released ones.")


def _profile_parser(commands: Any) -> None:
    parser = commands.add_parser("profile", help="where time and memory of a GPU go: a step, a look, the most bytes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for a file a part")
    parser.add_argument("--paths", type=int, default=20, metavar="N", help="of memory and of a look (%(default)s)")
    parser.add_argument("--steps", type=int, default=18, metavar="T")
    parser.add_argument("--random", action="store_true", help="weights at random: a released backend at full size")
    _machine_options(parser)
    parser.set_defaults(run=_profile)


def _profile(options: argparse.Namespace) -> None:
    check_writable(options.out)
    settings = Settings.checked(
        "profile", "parm", options.backend, paths=options.paths, steps=options.steps, seed=0
    )  # fmt: skip
    _refuse_random(options)

    from .benchmark.bench import runs_of
    from .benchmark.profiling import measure

    backend = _random(options) if options.random else _load(options)
    measure(backend, runs_of(settings, 1)[0], options.out, _status)


def _random(options: argparse.Namespace) -> Backend:
    from .backends.weightless import RandomBackend
    from .compute import parallel
    from .compute.hardware import device_of

    device = device_of(options.device) if options.device else parallel.device()
    return RandomBackend(options.backend, device, graphs=options.graphs)


def _as_released(backend: Backend, options: argparse.Namespace) -> Backend | None:
    """The backend in the released code's precision; None where that is what it has, or its weights are real ones."""
    import torch

    if not options.random or backend.dtype == torch.float32:
        return None
    from .backends.weightless import AsReleased, RandomBackend

    return AsReleased(backend, RandomBackend(options.backend, backend.device, "fp32"))


def _counted(base: Settings, script: Script) -> tuple[dict[str, Any], Callable[[dict[str, Any]], str]]:
    from .benchmark import bench

    return bench.count(replace(base, prompt="a photo of two red dogs"), script), bench.count_in_words
