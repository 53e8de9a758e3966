"""What a run is asked to do: every setting, declared once, with its limits, words, default and the methods it concerns.

Page, endpoints, command line, address, trace, PNG metadata and the tables in docs all derive from the fields of
``Settings`` and go through ``Settings.checked``, so a value that one of them refuses is refused by all, in the same
words. What methods, models and backends there are says ``cotdemo.registry``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from .errors import UserError
from .fields import FieldKind, Flag, Number, OneOf, Option, Text, Whole, number, plain_text, whole
from .registry import BACKENDS, CORRECTOR, EMBEDDED, METHODS, MODELS, VERIFIERS, MethodSpec, Offer, offers, refusal

__all__ = [
    "BACKENDS",
    "CORRECTOR",
    "METHODS",
    "MODELS",
    "Offer",
    "SETTINGS",
    "Setting",
    "Settings",
    "VERIFIERS",
    "corrects",
    "number",
    "offers",
    "plain_text",
    "setting",
    "verifier_of",
    "whole",
]

REPAINTING_GUIDANCE = 0.0  # away from an image that follows nothing is also away from the one that is repainted

MAX_PROMPT = 300
PATHS = (1, 32)
STEPS = (1, 50)
SEED = (0, 2**32 - 1)
ROUNDS = (0, 3)
MOST_ROUNDS = 12  # of a run, with those that were asked for after its end

VERDICTS = {
    "argmax": Option("the likeliest answer", "the likeliest token of an answer decides"),
    "sampled": Option("a draw", "drawn from the answer's probabilities, as the released code does", "sampled verdicts"),
}
STOPPINGS = {
    "paper": Option("at a “no”", "when the judge says that it cannot come right, as in the paper"),
    "lenient": Option(
        "leniently", "only below P(yes) = .1, and images that never were called clear may win", "stops leniently"
    ),
}
REPAINTS = {
    "whole": Option("the whole image", "all of an image again, from the critique"),
    "region": Option(
        "a region of it", "half of it, elsewhere for each path; the rest stays as it is", "repaints a region"
    ),
}


def _all(method: MethodSpec) -> bool:
    return True


def _judged_by_parm(method: MethodSpec) -> bool:
    return method.judged and method.verifier == "parm"


@dataclass(frozen=True)
class Setting:
    """One setting, as all derive it.

    ``default`` None is that of the method's, the model's or the backend's row, or one that is ``drawn``. A setting that
    does not apply to a method (``applies``) has the value ``usual`` there. In a summary a setting is ``said`` with its
    value in place of {}; one that is not ``always`` told, only where it has another value than the usual one.
    """

    name: str
    kind: FieldKind
    about: str  # what it is, for the command line, endpoints and docs
    default: Any = None
    drawn: Callable[[], Any] | None = None
    usual: Any = None
    applies: Callable[[MethodSpec], bool] = _all
    label: str = ""  # its name on the form; without one the form has no place for it
    note: str = ""  # below the label
    step: float = 1  # of a slider; 0 where numbers are typed
    metavar: str = ""
    said: str = ""
    always: bool = False

    @property
    def on_form(self) -> bool:
        return bool(self.label)

    def methods(self) -> list[str]:
        """The methods it concerns."""
        return [name for name, method in METHODS.items() if self.applies(method)]

    def default_for(self, method: str, model: str, backend: str) -> Any:
        """Its value where nothing is asked for."""
        if not self.applies(METHODS[method]):
            return self.usual
        if self.default is not None:
            return self.default
        if self.drawn is not None:
            return self.drawn()
        rows = (METHODS[method], MODELS[model], BACKENDS[backend])
        return next((row.defaults[self.name] for row in rows if self.name in row.defaults), self.usual)

    def described(self) -> str:
        """What it is, whom it concerns, and what it is where nothing is asked for."""
        methods, default = self.methods(), self.default_words()
        only = f", for {' and '.join(methods)}" if len(methods) < len(METHODS) else ""
        return f"{self.about}{only}" + (f" ({default})" if default else "")

    def default_words(self) -> str:
        """Its default, or what rows have as theirs: "1 for mini, 1.75 for show-o"."""
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        if self.default is not None:
            return str(self.default)
        if self.drawn is not None:
            return "drawn at random, and told"
        found: dict[object, list[str]] = {}  # in the order of the rows, those of backends first
        rows: tuple[Any, ...] = (*BACKENDS.values(), *MODELS.values(), *METHODS.values())
        for row in rows:
            if self.name in row.defaults:
                found.setdefault(row.defaults[self.name], []).append(row.name)
        told = [str(self.usual)] if self.usual is not None and len(self.methods()) == len(METHODS) else []
        for value, names in found.items():
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            told.append(shown if names == list(BACKENDS) else f"{shown} for {' and '.join(names)}")
        return ", ".join(told)

    def words(self, value: Any) -> str:
        """How a summary tells a value; "" where it leaves it out."""
        if not self.always and value == self.usual:
            return ""
        if isinstance(self.kind, OneOf) and not self.said:
            return self.kind.options[value].said
        told = f"{value:g}" if isinstance(value, float) else str(value)
        return self.said.replace("{}", told).replace("(s)", "" if value == 1 else "s")


def setting(kind: FieldKind, about: str, *, absent: Any = MISSING, **words: Any) -> Any:
    """A field of ``Settings``; ``absent`` is its value in traces from before there was one."""
    usual = {} if absent is MISSING else {"usual": absent}
    return field(default=absent, metadata={"kind": kind, "about": about, "words": {**usual, **words}})


@dataclass(frozen=True)
class Settings:
    """Checked settings of one run; make them with ``Settings.checked``."""

    prompt: str = setting(
        Text(MAX_PROMPT, least=1),
        "what to paint; the embedded model knows GenEval's 80 things, as in “a photo of two red apples”",
    )
    method: str = setting(OneOf(METHODS), "how paths are judged and chosen", default="parm", always=True)
    backend: str = setting(OneOf(BACKENDS), "the weights that paint and judge", default=EMBEDDED)
    model: str = setting(
        OneOf(MODELS), "the generator's weights, which paint round 0", default="base", said="model {}", always=True
    )
    paths: int = setting(
        Whole(*PATHS), "images painted at once", label="Attempts",
        note="images tried", metavar="N", said="{} attempt(s)", always=True, usual=8,
    )  # fmt: skip
    steps: int = setting(
        Whole(*STEPS), "mask-predict steps of an image", label="Steps", note="from noise to image", metavar="T",
        said="{} step(s)", always=True,
    )  # fmt: skip
    guidance: float = setting(
        Number(0.0, 10.0), "classifier-free guidance, 0 for none; to repaint the whole of an image goes without",
        label="Guidance", note="pull towards the prompt", step=0.05, metavar="W", said="guidance {}", always=True,
    )  # fmt: skip
    temperature: float = setting(
        Number(0.0, 5.0), "noise in the choice of which tokens are kept", label="Temperature", note="noise in keeping",
        step=0.1, metavar="X", said="temperature {}", always=True,
    )  # fmt: skip
    seed: int = setting(
        Whole(*SEED), "of all that is drawn", label="Seed", step=0,
        metavar="S", said="seed {}", always=True, drawn=lambda: secrets.randbelow(SEED[1] + 1),
    )  # fmt: skip
    rounds: int = setting(
        Whole(*ROUNDS), "repaintings at most", metavar="R", usual=0, applies=lambda method: method.repaints,
        said="{} repainting(s) at most",
    )  # fmt: skip
    verdicts: str = setting(OneOf(VERDICTS), "how an answer becomes a verdict", default="argmax", absent="argmax")
    original: bool = setting(
        Flag(), "the rules of the method's released code in place of the right ones", default=False, absent=False,
        said="by the released code's rules",
    )  # fmt: skip
    judge_from: int = setting(
        Whole(*STEPS), "the step, counted from 1, whose guesses PARM's judge looks at first", default=1, absent=1,
        applies=lambda method: method.judges_steps, label="PARM judges from step",
        note="earlier guesses are hardly ever clear", metavar="T", said="judged from step {}",
    )  # fmt: skip
    stopping: str = setting(
        OneOf(STOPPINGS), "when PARM stops a path", default="paper", absent="paper",
        applies=lambda method: method.judges_steps, label="PARM stops attempts",
        note="at a “no”: as in the paper; leniently: below P(yes) .1, and unclear ones may win",
    )  # fmt: skip
    repaint: str = setting(
        OneOf(REPAINTS), "what PARM++ paints again", absent="whole", applies=lambda method: method.repaints,
        label="PARM++ repaints", note="whole: from the critique; region: the rest stays as it is",
    )  # fmt: skip
    enough: float = setting(
        Number(0.0, 1.0), "stop when the judge is this sure of an attempt, by its P(yes) to outcome",
        default=0.9, absent=1.0, applies=lambda method: method.waves, label="Waves: sure enough",
        note="stop when the judge is this sure", step=0.01, metavar="P", said="until P(yes) {}",
    )  # fmt: skip
    checklist: bool = setting(
        Flag(), "PARM's judge is also asked which requirements of the prompt each guess meets; it chooses nothing, "
        "and only prompts in GenEval's words have them",
        default=True, absent=False, applies=_judged_by_parm, label="Checklist",
        note="a bar for each thing asked for; nothing is chosen by it",
    )  # fmt: skip

    @classmethod
    def checked(
        cls,
        prompt: object,
        method: object = "parm",
        backend: object = EMBEDDED,
        model: object = "base",
        **others: object,
    ) -> Settings:
        """Settings from whatever a client sent. None asks for a default that depends on what runs, or is drawn.

        Raises UserError, in words, for a name that is no setting, a wrong type, a value out of range, a combination
        that is not offered, a prompt that is empty, too long or holds control characters, and for paths x steps above
        the backend's cap.
        """
        _refuse_unknown(others)
        given = {"prompt": prompt, "method": method, "backend": backend, "model": model, **others}
        rows = {name: SETTINGS[name].kind.check(name, given[name]) for name in ("method", "model", "backend")}
        values: dict[str, Any] = {}
        for name, declared in SETTINGS.items():
            value = given.get(name, declared.default)
            if value is None and declared.default is None and name != "prompt":
                value = declared.default_for(**rows)
            value = declared.kind.check(name, value)
            values[name] = value if declared.applies(METHODS[rows["method"]]) else declared.usual
        settings = cls(**values)
        settings._check_combination()
        return settings

    @classmethod
    def from_dict(cls, values: object) -> Settings:
        """The inverse of ``as_dict``, for values that came from outside. Raises UserError as ``checked`` does."""
        if not isinstance(values, Mapping):
            raise UserError("The settings must be an object with one entry per setting.")
        if "prompt" not in values:
            raise UserError("The settings hold no prompt.")
        _refuse_unknown(values)
        return cls.checked(**values)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @property
    def work(self) -> int:
        """Steps of all paths of a round together."""
        return self.paths * self.steps

    @property
    def verifier(self) -> str:
        """Which of ``VERIFIERS`` judges."""
        return verifier_of(self.method)

    @property
    def corrects(self) -> bool:
        """Whether it needs the self-correcting generator."""
        return corrects(self.method, self.repaint)

    def in_words(self) -> list[str]:
        """What is asked for beside prompt, method and backend, a few words each: "8 paths", "seed 5"."""
        told = [one.words(getattr(self, name)) for name, one in SETTINGS.items() if name not in _HEADING]
        return [words for words in told if words]

    def _check_combination(self) -> None:
        reason = refusal(self.method, self.model, self.backend)
        if reason:
            raise UserError(f"{self.method} with the model {self.model} is not offered on {self.backend}: {reason}.")
        method = METHODS[self.method]
        if self.original and method.no_original:
            raise UserError(f"{method.label} has no original behaviour: {method.no_original}. Choose parm.")
        if self.original and self.stopping != "paper":
            raise UserError("Lenient stopping is none of the original rules: choose one of them.")
        if self.judge_from > self.steps:
            raise UserError(f"The judge cannot look first at step {self.judge_from} of {self.steps}.")
        if self.repaint == "region" and self.steps < 2:
            raise UserError("To repaint a region takes 2 steps or more.")
        cap = BACKENDS[self.backend].cap
        if self.work > cap:
            raise UserError(
                f"{self.paths} paths x {self.steps} steps is {self.work}, and {self.backend} takes at "
                f"most {cap}. Choose fewer paths or fewer steps."
            )


_HEADING = ("prompt", "method", "backend")  # told in front of the rest


SETTINGS: Mapping[str, Setting] = {
    one.name: Setting(one.name, one.metadata["kind"], one.metadata["about"], **one.metadata["words"])
    for one in fields(Settings)
}


def _refuse_unknown(names: Collection[object]) -> None:
    unknown = [name for name in names if name not in SETTINGS]
    if unknown:
        raise UserError(f"{ascii(unknown[0])[:40]} is not a setting; there are {', '.join(sorted(SETTINGS))}.")


def verifier_of(method: str) -> str:
    """Which of ``VERIFIERS`` judges the runs of a method."""
    return METHODS[method].verifier


def corrects(method: str, repaint: str) -> bool:
    """Whether runs of a method need the self-correcting generator."""
    return METHODS[method].repaints and repaint == "whole"
