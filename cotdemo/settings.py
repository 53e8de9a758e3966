"""What a run is asked to do: every setting with its limits, and which method goes with which model on which backend.

Page, API, command line, trace and PNG metadata all go through ``Settings.checked``, so a value that one of them refuses
is refused by all, in the same words.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real

from .errors import UserError

METHODS = ("baseline", "orm-zero-shot", "orm", "prm", "parm", "parm++")
VERIFIERS = ("parm", "orm", "zero-shot", "prm")  # judges; one answers all of a run's questions
_VERIFIER_OF = {"orm-zero-shot": "zero-shot", "orm": "orm", "prm": "prm"}  # of the other methods it is PARM's judge
MODELS = ("base", "self-correct", "dpo", "dpo-iter", "dpo-iter-parm", "turbo")
VERDICTS = ("argmax", "sampled")
STOPPINGS = ("paper", "lenient")
REPAINTS = ("whole", "region")
CORRECTOR = "self-correct"  # the model that repaints after a critique, whatever painted the first picture
REPAINTING_GUIDANCE = 0.0  # away from a picture that follows nothing is also away from the one that is repainted

MAX_PROMPT = 300
PATHS = (1, 32)
STEPS = (1, 50)
GUIDANCE = (0.0, 10.0)
TEMPERATURE = (0.0, 5.0)
SEED = (0, 2**32 - 1)
ROUNDS = (0, 3)


@dataclass(frozen=True)
class BackendLimits:
    """Defaults and cap of one backend; ``cap`` is the most paths x steps of one round.

    ``repaint`` is what PARM++ repaints there, ``critic`` which of ``VERIFIERS`` says in words what is wrong. Where
    ``amends``, a critique is added to the prompt that a region is repainted from: the generator reads any sentence.
    """

    steps: int
    guidance: float
    temperature: float
    cap: int
    annealing: str = "compounding"  # how the selection noise shrinks (``cotdemo.generator.schedules``)
    repaint: str = "region"
    critic: str = "zero-shot"
    amends: bool = True


BACKENDS: Mapping[str, BackendLimits] = {
    "mini": BackendLimits(
        steps=18,
        guidance=1.0,
        temperature=3.0,
        cap=800,
        annealing="linear",
        repaint="whole",
        critic="parm",
        amends=False,
    ),
    "show-o": BackendLimits(steps=18, guidance=1.75, temperature=1.0, cap=600),
    "show-o-512": BackendLimits(steps=18, guidance=1.75, temperature=1.0, cap=300),
}

_TURBO = (4, 0.0)  # steps and guidance that the few-step models were distilled for

_NOT_CORRECTING = "no self-correcting Show-o has been released; the mini backend has one"
_NO_TURBO = "a generator for few steps has been released for show-o and show-o-512 only"

# Why a model is not offered on a backend (absent: it is), and why a method is not.
_MODELS_REFUSED: Mapping[str, Mapping[str, str]] = {
    "mini": {"turbo": _NO_TURBO},
    "show-o": {"self-correct": _NOT_CORRECTING},
    "show-o-512": {
        "self-correct": _NOT_CORRECTING,
        **dict.fromkeys(("dpo", "dpo-iter", "dpo-iter-parm"), "DPO weights have been released for show-o only"),
    },
}
_NOT_RELEASED = {"prm": "no process reward model has been released; the mini backend has one"}
_METHODS_REFUSED: Mapping[str, Mapping[str, str]] = {
    "mini": {},
    "show-o": _NOT_RELEASED,
    "show-o-512": _NOT_RELEASED,
}


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
    _among("backend", backend, BACKENDS)
    refused_models, refused_methods = _MODELS_REFUSED[backend], _METHODS_REFUSED[backend]
    return tuple(
        Offer(method, model, refused_models.get(model) or refused_methods.get(method, ""))
        for method in METHODS
        for model in MODELS
    )


@dataclass(frozen=True)
class Settings:
    """Checked settings of one run; make them with ``Settings.checked``."""

    prompt: str
    method: str
    backend: str
    model: str
    paths: int
    steps: int
    guidance: float
    temperature: float
    seed: int
    rounds: int  # repainting rounds at most; 0 unless the method is parm++
    verdicts: str = "argmax"  # "sampled": yes and no drawn from their probabilities, as the released code does
    original: bool = False  # the released code's rules in place of the right ones (``cotdemo.search.stopping``)
    judge_from: int = 1  # the step, counted from 1, whose guesses PARM's judge looks at first
    stopping: str = "paper"  # PARM: "lenient" stops fewer paths and lets unclear ones win (``cotdemo.search.stopping``)
    repaint: str = "whole"  # parm++: "region" leaves half of the picture as it is (``cotdemo.search.regions``)

    @classmethod
    def checked(
        cls,
        prompt: object,
        method: object = "parm",
        backend: object = "mini",
        model: object = "base",
        *,
        paths: object = None,
        steps: object = None,
        guidance: object = None,
        temperature: object = None,
        seed: object = None,
        rounds: object = None,
        verdicts: object = "argmax",
        original: object = False,
        judge_from: object = 1,
        stopping: object = "paper",
        repaint: object = None,
    ) -> Settings:
        """Settings from whatever a client sent. None asks for the default; for the seed, for one drawn at random.

        Whole numbers may come as floats without a fraction (web forms send them so). ``rounds`` and ``repaint`` are
        those of parm++. Raises UserError, in words, for a wrong type, a value out of range, a combination that is not
        offered, a prompt that is empty, too long or holds control characters, and for paths x steps above the backend's
        cap.
        """
        method = _among("method", method, METHODS)
        backend = _among("backend", backend, BACKENDS)
        model = _among("model", model, MODELS)
        limits = BACKENDS[backend]
        if model == "turbo":
            limits = replace(limits, steps=_TURBO[0], guidance=_TURBO[1])
        if paths is None:
            paths = 1 if method == "baseline" else 8
        if seed is None:
            seed = secrets.randbelow(SEED[1] + 1)
        rounds = whole("rounds", ROUNDS[1] if rounds is None else rounds, *ROUNDS)
        repaint = _among("repaint", limits.repaint if repaint is None else repaint, REPAINTS)
        settings = cls(
            prompt=plain_text("prompt", prompt, MAX_PROMPT),
            method=method,
            backend=backend,
            model=model,
            paths=whole("paths", paths, *PATHS),
            steps=whole("steps", limits.steps if steps is None else steps, *STEPS),
            guidance=number("guidance", limits.guidance if guidance is None else guidance, *GUIDANCE),
            temperature=number("temperature", limits.temperature if temperature is None else temperature, *TEMPERATURE),
            seed=whole("seed", seed, *SEED),
            rounds=rounds if method == "parm++" else 0,
            verdicts=_among("verdicts", verdicts, VERDICTS),
            original=flag("original", original),
            judge_from=whole("judge_from", judge_from, *STEPS),
            stopping=_among("stopping", stopping, STOPPINGS),
            repaint=repaint if method == "parm++" else "whole",
        )
        settings._check_combination(limits)
        return settings

    @classmethod
    def from_dict(cls, values: object) -> Settings:
        """The inverse of ``as_dict``, for values that came from outside. Raises UserError as ``checked`` does."""
        if not isinstance(values, Mapping):
            raise UserError("The settings must be an object with one entry per setting.")
        known = {field.name for field in fields(cls)}
        unknown = [name for name in values if name not in known]
        if unknown:
            raise UserError(f"{ascii(unknown[0])[:40]} is not a setting; there are {', '.join(sorted(known))}.")
        if "prompt" not in values:
            raise UserError("The settings hold no prompt.")
        return cls.checked(**values)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @property
    def verifier(self) -> str:
        """Which of ``VERIFIERS`` judges."""
        return verifier_of(self.method)

    @property
    def corrects(self) -> bool:
        """Whether it needs the self-correcting generator."""
        return corrects(self.method, self.repaint)

    def _check_combination(self, limits: BackendLimits) -> None:
        reason = next(o.reason for o in offers(self.backend) if (o.method, o.model) == (self.method, self.model))
        if reason:
            raise UserError(f"{self.method} with the model {self.model} is not offered on {self.backend}: {reason}.")
        if self.original and self.method == "parm++":
            raise UserError("PARM++ has no original behaviour: no code of it has been released. Choose parm.")
        if self.original and self.stopping != "paper":
            raise UserError("Lenient stopping is none of the original rules: choose one of them.")
        if self.judge_from > self.steps:
            raise UserError(f"The judge cannot look first at step {self.judge_from} of {self.steps}.")
        if self.repaint == "region" and self.steps < 2:
            raise UserError("To repaint a region takes 2 steps or more.")
        if self.paths * self.steps > limits.cap:
            raise UserError(
                f"{self.paths} paths x {self.steps} steps is {self.paths * self.steps}, and {self.backend} takes at "
                f"most {limits.cap}. Choose fewer paths or fewer steps."
            )


def verifier_of(method: str) -> str:
    """Which of ``VERIFIERS`` judges the runs of a method."""
    return _VERIFIER_OF.get(method, "parm")


def corrects(method: str, repaint: str) -> bool:
    """Whether runs of a method need the self-correcting generator."""
    return method == "parm++" and repaint == "whole"


def whole(name: str, value: object, low: int, high: int) -> int:
    """``value`` as an int within ``low..high``; a float without a fraction passes, a bool or a text does not."""
    if not _within(value, low, high) or value != int(value):
        raise UserError(f"{name} must be a whole number from {low} to {high}.")
    return int(value)


def number(name: str, value: object, low: float, high: float) -> float:
    """``value`` as a float within ``low..high``; a bool or a text does not pass, nor does NaN."""
    if not _within(value, low, high):
        raise UserError(f"{name} must be a number from {low:g} to {high:g}.")
    return float(value)


def _within(value: object, low: float, high: float) -> bool:
    # compared as it is: a huge int has no float, and NaN is within nothing
    return isinstance(value, Real) and not isinstance(value, bool) and low <= value <= high


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{name} must be true or false.")
    return value


_BIDI_CONTROLS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain_text(name: str, value: object, most: int, least: int = 1) -> str:
    """``value`` without outer blanks, ``least..most`` characters of one line.

    Control characters, halves of surrogate pairs and direction overrides are refused: they cannot be written to a file
    or can make a text look like another one.
    """
    if not isinstance(value, str):
        raise UserError(f"{name} must be a text.")
    # measured before anything walks over it: a client may send megabytes
    if len(value) > 2 * most + 100:
        raise UserError(f"{name} must have at most {most} characters.")
    text = value.strip()
    if len(text) < least:
        raise UserError(f"{name} is empty: write at least {least} character{'s' if least > 1 else ''}.")
    if len(text) > most:
        raise UserError(f"{name} must have at most {most} characters; it has {len(text)}.")
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI_CONTROLS:
            raise UserError(f"{name} must be one line without control characters; it holds U+{ord(character):04X}.")
    return text


def _among(name: str, value: object, known: Collection[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise UserError(f"{ascii(value)[:40]} is no {name} of this app; there are {', '.join(known)}.")
    return value
