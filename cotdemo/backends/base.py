"""What every backend is: a name for generators, verifiers and an image tokenizer, each loaded when it is first used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..compute.memory import bytes_of, free_bytes, release
from ..errors import UserError, is_out_of_memory
from ..generator.magvit import MagvitV2
from ..generator.pipeline import ShowoPipeline
from ..generator.showo import Showo
from ..registry import BACKENDS, MODELS, VERIFIERS, resolve
from ..verifiers.llava import LlavaVerifier
from ..world.faults import Verdict
from ..world.requirements import Requirement, requirements_of
from .hub import Tell, is_zero_gpu

if TYPE_CHECKING:
    from .diffusion import WholeImageGenerator


SAFETY = "the safety checker"


class Backend:
    """Weights under one name (see ``cotdemo.search.protocols.Backend``). Each part is loaded when it is first used.

    On a device of limited memory the part that was used longest ago leaves where another needs its room; ``tell`` hears
    it in words.
    """

    guarded = False  # whether the images that a safety checker flags are withheld (``cotdemo.search.withheld``)
    unchecked = ""  # why ``check`` looks at images no more, in words
    _working: float = 0.0  # bytes to work in

    def __init__(self, name: str, device: str, dtype: torch.dtype, tell: Tell = lambda words: None):
        self.name, self.device, self.dtype, self._tell = name, device, dtype, tell
        self._lock = threading.RLock()  # the page warms a backend up while a first visitor may already ask
        self._parts: OrderedDict[str, Any] = OrderedDict()  # in the order of their last use
        self._standing_by: dict[str, Any] = {}  # read, and not on the device yet
        self._staying: dict[str, float] = {}  # parts that never leave once they are there, and their bytes

    # What a backend is made of; the two kinds below load them from different places.
    grid: tuple[int, int]
    codebook: int
    picture_size: tuple[int, int]
    weights: Mapping[str, str]
    models: Collection[str]
    top_k: Mapping[str, int] = {}  # of the likeliest codes each is drawn from, for models that want it
    check: Callable[[str, np.ndarray], Verdict | None] | None = None
    _root: Path | None = None  # with repositories of the Hub, in its place
    words: tuple[str, ...] = ()  # all words it knows; empty where any may be used

    def _load_words(self) -> PreTrainedTokenizerBase:
        raise NotImplementedError

    def _load_magvit(self) -> MagvitV2:
        raise NotImplementedError

    def _load_showo(self, model: str) -> Showo:
        raise NotImplementedError

    def _load_whole(self, model: str) -> WholeImageGenerator:
        return resolve(MODELS[model].load)(self, model, self._root, self._tell)

    def _load_judge(self, verifier: str) -> LlavaVerifier:
        raise NotImplementedError

    @property
    def room(self) -> float:
        """How many bytes are to stay free: for the work itself, and for parts that will stay and are not there yet."""
        return self._working + sum(size for what, size in self._staying.items() if what not in self._parts)

    def _load_safety(self) -> Callable[[np.ndarray], bool]:
        raise NotImplementedError

    @property
    def safety(self) -> Callable[[np.ndarray], bool] | None:
        """Whether an image is to be withheld; None where nobody looks. Raises UserError where it cannot be loaded."""
        return self._part(SAFETY, self._load_safety) if self.guarded else None

    def canonical(self, prompt: str) -> str:
        """The prompt that is meant, as all parts of this backend read it. Raises UserError for one it cannot paint."""
        raise NotImplementedError

    def requirements(self, prompt: str) -> Sequence[Requirement]:
        """What a canonical prompt asks for, point by point; nothing where it is not worded as GenEval's are."""
        return requirements_of(prompt)

    @cached_property
    def magvit(self) -> MagvitV2:
        with readable("The image tokenizer", self.name):
            magvit = self._placed(self._load_magvit())
        _watched(magvit.decoder, f"The image tokenizer of {self.name}")
        return magvit

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        with readable("The tokenizer of prompts", self.name):
            return self._load_words()

    def verifier(self, name: str) -> LlavaVerifier:
        """The judge of that name (``cotdemo.registry.VERIFIERS``). Raises UserError where it cannot be loaded."""
        load = VERIFIERS[name].load  # of one that is no backend's own
        return self._part(f"the judge {name}", lambda: resolve(load)(self) if load else self._judge(name))

    def stand_by(self, models: Collection[str], verifiers: Collection[str]) -> int:
        """Read into the processor's memory what is not on the device yet; how many parts those are.

        For a device that is only lent: all that it is lent for is then to be given them. Raises UserError.
        """
        named: dict[str, tuple] = {}
        for one in models:
            named[f"the generator {one}"] = (self._load_whole if MODELS[one].load else self._load_showo, one)
        named |= {f"the judge {one}": (self._load_judge, one) for one in verifiers if not VERIFIERS[one].load}
        with self._lock:
            away = [what for what in named if what not in self._parts]
            for what in away:
                self._standing_by.setdefault(what, self._read(what, *named[what]))
            return len(away)

    def _read(self, what: str, load: Callable[[str], Any], name: str) -> Any:
        """A part in the processor's memory: one that stands by there, or from its files."""
        if what in self._standing_by:
            return self._standing_by[what]
        with readable(what[0].upper() + what[1:], self.name):
            return load(name)

    def _judge(self, name: str) -> LlavaVerifier:
        judge = self._read(f"the judge {name}", self._load_judge, name)
        self._make_room(bytes_of(judge.model))
        return judge.to(self.device)

    def _part(self, what: str, load: Callable[[], Any]) -> Any:
        with self._lock:
            if what not in self._parts:
                self._parts[what] = load()
            self._parts.move_to_end(what)
            return self._parts[what]

    def _placed(self, network: Any) -> Any:
        self._make_room(bytes_of(network))
        return network.to(self.device)

    def free_memory(self) -> int | None:
        """Bytes that are free on the device; None where that is not known, or the device is only lent later."""
        return None if is_zero_gpu() else free_bytes(self.device)

    def _make_room(self, wanted: int) -> None:
        """Let the parts go that were used longest ago, until ``wanted`` bytes fit; the last used one is in use."""
        free, leaving = self.free_memory(), [what for what in self._parts if what not in self._staying]
        while free is not None and free < wanted + self.room and len(leaving) > 1:
            what = leaving.pop(0)
            del self._parts[what]  # the last that holds it: a name for it here would keep its memory
            release(self.device)
            self._tell(f"{what} leaves the memory of {self.device} to make room")
            before, free = free, self.free_memory()
            if free <= before:  # a run still holds it
                break

    def generator(self, model: str) -> ShowoPipeline | WholeImageGenerator:
        """The pipeline around one set of generator weights. Raises UserError where they cannot be loaded."""
        return self._part(f"the generator {model}", lambda: self._generator(model))

    def _generator(self, model: str) -> ShowoPipeline | WholeImageGenerator:
        if MODELS[model].load:
            return self._whole(model)
        row = BACKENDS[self.name]
        rules = {name: row.defaults[name] for name in ("steps", "guidance", "temperature")}
        magvit = self.magvit
        showo = self._read(f"the generator {model}", self._load_showo, model)
        try:
            return ShowoPipeline(
                self.tokenizer, self._placed(showo), magvit,
                **rules, annealing=row.annealing, top_k=self.top_k.get(model, 0),
            )  # fmt: skip
        except ValueError as error:  # parts that do not belong together
            raise UserError(str(error)) from error

    def _whole(self, model: str) -> WholeImageGenerator:
        generator = self._read(f"the generator {model}", self._load_whole, model)
        self._make_room(generator.bytes)
        free = self.free_memory()
        return generator.placed(self.device, offload=free is not None and free < generator.bytes + self.room)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes ``(P, N)`` to images ``(P, height, width, 3)`` uint8."""
        with self._lock, torch.inference_mode():
            tensor = torch.as_tensor(codes, device=self.device)
            return self.magvit.images(tensor, self.grid)

    def warm_up(self) -> None:
        """Load what a first run needs, so that it does not wait."""
        self.generator("base")
        self.verifier("parm")
        self.safety  # noqa: B018  # a property that loads


_UNREADABLE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


@contextmanager
def readable(what: str, backend: str) -> Iterator[None]:
    """Turn what goes wrong with files that are damaged, whatever that is, into a UserError with a remedy."""
    try:
        yield
    except _UNREADABLE as error:
        if isinstance(error, UserError) or is_out_of_memory(error):
            raise
        raise UserError(
            f"{what} of {backend} cannot be loaded: a file of it is damaged, missing or of something else "
            f"({type(error).__name__}: {str(error)[:200]}). Take its files anew."
        ) from error


def _watched(network: torch.nn.Module, what: str) -> None:
    """Have the first output of a network looked at: pixels are cut to 0 to 255, and would hide that they are none."""

    def look(_: torch.nn.Module, given: tuple, output: torch.Tensor) -> None:
        if output.is_meta:  # shapes alone, where operations are counted
            return
        if not bool(output.isfinite().all()):
            raise FloatingPointError(
                f"{what} gives numbers that are not finite: its weights are damaged, or its dtype is too small for "
                "them. Take the weights anew."
            )
        handle.remove()

    handle = network.register_forward_hook(look)
