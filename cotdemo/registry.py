"""What there is to choose from: methods, verifiers, models and backends, a row each.

A row is all that the command line, the page, its endpoints, the tables in README and docs and the checks of settings
know of a thing: its name in code, commands and traces, its label for people, one line about it, what it needs, where
it is offered and why not elsewhere. Adding a strategy is a file with it and a row here; ``add`` puts a row in from any
other file, so that a verifier or a strategy of one's own is one file:

    registry.add(VerifierSpec("mine", "My verifier", "prefers red", load=lambda backend: Mine()))
    registry.add(MethodSpec("orm-mine", "ORM, mine", "the reddest", "cotdemo.search.best_of_n:orm", verifier="mine"))

Nothing heavy is imported here: code is named by import strings, "module:name", and found when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .errors import UserError

Code = str | Callable[..., Any]  # an import string, or the thing itself


@dataclass(frozen=True)
class Spec:
    """What all rows have. ``about`` goes on after the label: "PARM: watches every step ..."."""

    name: str
    label: str
    about: str


@dataclass(frozen=True)
class VerifierSpec(Spec):
    """A verifier; ``part`` is the folder of its weights in a backend that has them.

    With ``load``, it is loaded by that, called with the backend, and goes with every backend.
    """

    part: str = ""
    backends: tuple[str, ...] | None = None  # that have it; None: all
    elsewhere: str = ""  # why others have not
    load: Code | None = None


@dataclass(frozen=True)
class MethodSpec(Spec):
    """A search: ``strategy`` is a generator of events over a ``cotdemo.search.rounds.Run``, ``verifier`` what it asks
    for outcomes, and ``watcher`` whom it asks on the way, where that is another.

    ``defaults`` are settings' values where nothing else is asked for.
    """

    strategy: Code = ""
    verifier: str = "parm"
    defaults: Mapping[str, object] = field(default_factory=dict)
    watcher: str = ""
    judged: bool = True  # False: the verifier is asked by Reflect only
    judges_steps: bool = False  # by PARM's questions, so that its settings of stopping apply
    repaints: bool = False  # after a critique, so that rounds and repaint apply
    guesses: bool = False  # looks at what is painted on the way, or paints on from there
    waves: bool = False  # begins its paths in waves, and stops when the judge is sure, so that enough applies
    no_original: str = ""  # why it has no behaviour of the released code's

    @property
    def verifiers(self) -> tuple[str, ...]:
        """All that it asks, the one of outcomes first."""
        return (self.verifier, self.watcher) if self.watcher else (self.verifier,) if self.judged else ()

    def about_on(self, backend: BackendSpec) -> str:
        """What it does there."""
        return backend.critic_about if self.repaints and backend.critic_about else self.about


@dataclass(frozen=True)
class ModelSpec(Spec):
    """A set of generator weights; ``part`` is the folder of them.

    With ``load(backend, model, root, tell)`` it is no Show-o: it paints whole images, and ``part`` is a repository.
    """

    part: str = ""
    backends: tuple[str, ...] | None = None  # that have it; None: all
    elsewhere: str = ""  # why others have not
    defaults: Mapping[str, object] = field(default_factory=dict)
    load: Code | None = None

    @property
    def on(self) -> str:
        """What follows a method's name where it paints with this: " on iterative DPO", "" for the usual generator."""
        return "" if self.name == "base" else f" on {self.label.removeprefix('Show-o, ')}"


@dataclass(frozen=True)
class BackendSpec(Spec):
    """A generator with its verifiers under one name, and how it is run; ``cap`` is the most paths x steps of one round.

    ``load(name, device, root, tell, precision, beside)`` makes it (``cotdemo.backends``), of a model that does not ship
    with ``guarded=True`` where images that a safety checker flags are to be withheld, and with ``scored=DETECTOR``
    where GenEval's scorer is to check the final ones. ``critic`` is which verifier says in words what is wrong, and
    ``critic_about`` what a method that repaints does there, where that is not the paper's way. Where ``amends``, a
    critique is added to the prompt that a region is repainted from: the generator reads any sentence. One that
    knows few words says with ``palette`` and ``drawings`` what it can be asked for (``cotdemo.world.palette``).
    """

    cap: int = 600
    defaults: Mapping[str, object] = field(default_factory=dict)
    annealing: str = "compounding"  # how the selection noise shrinks (``cotdemo.generator.schedule``)
    critic: str = "zero-shot"
    critic_about: str = ""
    amends: bool = True
    load: Code = "cotdemo.backends.released:released"
    ships: bool = False  # its weights are in the repository: no download, and no accelerator wanted
    checked: bool = False  # an exact checker reads its images
    palette: Code | None = None
    drawings: Code | None = None


METHODS: dict[str, MethodSpec] = {}
VERIFIERS: dict[str, VerifierSpec] = {}
MODELS: dict[str, ModelSpec] = {}
BACKENDS: dict[str, BackendSpec] = {}
_TABLES: Mapping[type, dict[str, Any]] = {
    MethodSpec: METHODS,
    VerifierSpec: VERIFIERS,
    ModelSpec: MODELS,
    BackendSpec: BACKENDS,
}


def add(*specs: Spec) -> None:
    """Put rows into their tables, each of a name that is not there yet."""
    for spec in specs:
        table = _TABLES[type(spec)]
        if spec.name in table:
            raise ValueError(f"there is a row {spec.name!r} already")
        table[spec.name] = spec


def remove(spec: Spec) -> None:
    """Take a row out again."""
    del _TABLES[type(spec)][spec.name]


def resolve(code: Code) -> Callable[..., Any]:
    """What an import string names."""
    if callable(code):
        return code
    module, _, name = code.partition(":")
    return getattr(import_module(module), name)


def refusal(method: str, model: str, backend: str) -> str:
    """Why a method with a model is not offered on a backend; "" where it is."""
    if METHODS[method].guesses and MODELS[model].load and backend in (MODELS[model].backends or ()):
        return "it paints whole images, without tokens: there is no guess on the way to judge or to repaint"
    asked = METHODS[method]
    verifiers = [VERIFIERS[name] for name in (asked.verifier, asked.watcher) if name]
    parts: list[ModelSpec | VerifierSpec] = [MODELS[model], *verifiers]
    for needed in parts:
        if needed.backends is not None and backend not in needed.backends:
            return needed.elsewhere
    return ""


@dataclass(frozen=True)
class Offer:
    """One cell of the table: a method with a model on a backend; ``reason`` says why not, "" where it is offered."""

    method: str
    model: str
    reason: str

    @property
    def offered(self) -> bool:
        return not self.reason


def offers(backend: str) -> tuple[Offer, ...]:
    """The table of methods and models for one backend, refused cells included. Raises UserError for another name."""
    if backend not in BACKENDS:
        raise UserError(f"There is no backend {ascii(backend)[:40]}; there are {', '.join(BACKENDS)}.")
    return tuple(Offer(method, model, refusal(method, model, backend)) for method in METHODS for model in MODELS)


# -- the rows

EMBEDDED = "mini"  # the backend that ships, and runs where nothing else is asked for
CORRECTOR = "self-correct"  # the model that repaints after a critique, whatever painted the first image
_RELEASED = ("show-o", "show-o-512")

add(
    VerifierSpec("parm", "PARM", "asked for clarity, potential and outcome", part="judge"),
    VerifierSpec("orm", "ORM", "fine-tuned to tell the outcome of finished images", part="judge-orm"),
    VerifierSpec(
        "zero-shot", "Zero-shot ORM", "has never seen a painted image; LLaVA-OneVision as it is, where released",
        part="judge-zero-shot",
    ),
    VerifierSpec(
        "prm", "PRM", "trained on rollouts to tell the outcome from unfinished images", part="judge-prm",
        backends=(EMBEDDED,), elsewhere="no process reward model has been released; the mini backend has one",
    ),
)  # fmt: skip

add(
    MethodSpec(
        "baseline", "Baseline", "the plain generator: one path is the answer, nobody judges",
        "cotdemo.search.best_of_n:baseline", defaults={"paths": 1}, judged=False,
    ),
    MethodSpec(
        "repair", "Repair", "the plain generator, then once more the tokens that it least believes in; nobody judges",
        "cotdemo.search.repair:repair", defaults={"paths": 1}, judged=False, guesses=True,
        no_original="it is this project's own",
    ),
    MethodSpec(
        "orm-zero-shot", "Zero-shot ORM", "best of N by a judge that has never seen a painted image",
        "cotdemo.search.best_of_n:orm", verifier="zero-shot",
    ),
    MethodSpec(
        "orm", "ORM", "best of N by a judge trained on the outcome of painted images",
        "cotdemo.search.best_of_n:orm", verifier="orm",
    ),
    MethodSpec(
        "adaptive", "Adaptive best of N", "the ORM over attempts in small waves, until it is sure enough of one",
        "cotdemo.search.adaptive:adaptive", verifier="orm", waves=True, no_original="it is this project's own",
    ),
    MethodSpec(
        "think", "Think",
        "attempts in small waves; the likelier half of each is finished, until the ORM is sure of one",
        "cotdemo.search.think:think", verifier="orm", watcher="parm", defaults={"paths": 16}, waves=True, guesses=True,
        no_original="it is this project's own",
    ),
    MethodSpec(
        "prm", "PRM", "best of N by the mean P(yes) over all steps, from a judge trained on rollouts",
        "cotdemo.search.best_of_n:prm", verifier="prm", guesses=True,
    ),
    MethodSpec(
        "parm", "PARM", "the judge watches every step and stops hopeless paths; the best survivor wins",
        "cotdemo.search.parm:parm", judges_steps=True, guesses=True,
    ),
    MethodSpec(
        "parm++", "PARM++", "PARM, then the judge criticises and the image is repainted, up to three rounds",
        "cotdemo.search.reflection:parm_plus", defaults={"rounds": 3}, judges_steps=True, repaints=True, guesses=True,
        no_original="no code of it has been released",
    ),
)  # fmt: skip

_DIFFUSION: dict[str, Any] = {  # painted at its own size, with the same judges
    "load": "cotdemo.backends.diffusion:load", "backends": _RELEASED,
    "elsewhere": "diffusion models are compared with the released Show-o: show-o and show-o-512",
}  # fmt: skip
_ONLY_256 = "DPO weights have been released for show-o only"
add(
    ModelSpec("base", "Show-o, base", "as it was pretrained", part="showo"),
    ModelSpec(
        CORRECTOR, "Show-o, self-correcting", "trained to repaint after a critique", part="self-correct",
        backends=(EMBEDDED,), elsewhere="no self-correcting Show-o has been released; the mini backend has one",
    ),
    ModelSpec(
        "dpo", "Show-o, DPO", "aligned by preference pairs", part="dpo",
        backends=(EMBEDDED, "show-o"), elsewhere=_ONLY_256,
    ),
    ModelSpec(
        "dpo-iter", "Show-o, iterative DPO", "aligned three times, each time by its own images", part="dpo-iter",
        backends=(EMBEDDED, "show-o"), elsewhere=_ONLY_256,
    ),
    ModelSpec(
        "dpo-iter-parm", "Show-o, guided iterative DPO", "as that, and by images that PARM saw mended",
        part="dpo-iter-parm", backends=(EMBEDDED, "show-o"), elsewhere=_ONLY_256,
    ),
    ModelSpec(
        "turbo", "Show-o Turbo", "for 2 to 8 steps without guidance: set Steps to 4 and Guidance to 0", part="turbo",
        backends=_RELEASED, elsewhere="a generator for few steps has been released for show-o and show-o-512 only",
        defaults={"steps": 4, "guidance": 0.0},
    ),
    ModelSpec(
        "sd3", "Stable Diffusion 3", "a diffusion model, to compare with; its licence wants a login",
        part="stabilityai/stable-diffusion-3-medium-diffusers", defaults={"steps": 28, "guidance": 6.0}, **_DIFFUSION,
    ),
    ModelSpec(
        "sdxl", "Stable Diffusion XL", "a diffusion model, to compare with",
        part="stabilityai/stable-diffusion-xl-base-1.0", defaults={"steps": 28, "guidance": 4.0}, **_DIFFUSION,
    ),
)  # fmt: skip

_AS_RELEASED = {"steps": 18, "guidance": 1.75, "temperature": 1.0, "repaint": "region"}
_OURS = (  # where neither judge nor generator was trained for it
    "PARM, then a judge without fine-tuning says what is wrong and regions are repainted. No PARM++ weights have been "
    "released: this is this project's way, not the paper's"
)
add(
    BackendSpec(
        EMBEDDED, "embedded model",
        "Show-o, its tokenizer and the judge in small, trained by this project on drawings of GenEval's eighty things. "
        "It runs on any CPU and paints these things, in ten colours, up to four of them, and nothing else.",
        cap=800, defaults={"steps": 18, "guidance": 1.0, "temperature": 3.0, "repaint": "whole"}, annealing="linear",
        critic="parm", amends=False, load="cotdemo.backends.embedded:embedded", ships=True, checked=True,
        palette="cotdemo.world.palette:palette", drawings="cotdemo.world.palette:drawings",
    ),
    BackendSpec(
        "show-o", "released Show-o at 256 x 256 pixels", "with the released PARM judge. It paints anything.",
        cap=600, defaults=_AS_RELEASED, critic_about=_OURS,
    ),
    BackendSpec(
        "show-o-512", "released Show-o at 512 x 512 pixels", "with the released PARM judge. It paints anything.",
        cap=300, defaults=_AS_RELEASED, critic_about=_OURS,
    ),
)  # fmt: skip
