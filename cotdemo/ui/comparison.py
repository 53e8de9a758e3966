"""One prompt or two, from a seed or several, by several methods and models: one run after the other, side by side."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import UserError
from ..fields import IMAGE, SMALL, encode_image, whole
from ..registry import BACKENDS, METHODS, MODELS, offers
from ..run.state import RunState
from ..run.trace import Trace
from ..settings import SEED, Settings, corrects
from .eta import Pace
from .form import Update
from .handlers import Handlers, verdict, words_for
from .keep import RECORDED, recorded_runs
from .queue import Place
from .session import Run, batches, notice
from .visitors import Visitor

TELL = 0.2  # seconds between messages about one run
MOST = 16  # runs of one comparison
SEEDS = (1, 4)  # how many seeds, each the one after the last


@dataclass(frozen=True)
class Choice:
    """What can be compared."""

    method: str
    model: str = "base"
    repaint: str = "whole"

    @property
    def corrects(self) -> bool:
        return corrects(self.method, self.repaint)

    @property
    def title(self) -> str:
        """The method for people, and what it repaints."""
        return METHODS[self.method].label + (" by region" if self.repaint == "region" else "")

    @property
    def label(self) -> str:
        """As it is called in a sentence."""
        return self.title + MODELS[self.model].on

    @property
    def name(self) -> str:
        return "/".join((self.method, self.model, *([self.repaint] if self.repaint != "whole" else [])))

    @classmethod
    def of(cls, settings: Settings) -> Choice:
        return cls(settings.method, settings.model, settings.repaint)


CHOICES = (  # some of all that could be asked for, in the order of the cards
    Choice("baseline"), Choice("baseline", "dpo"), Choice("baseline", "dpo-iter"), Choice("baseline", "dpo-iter-parm"),
    Choice("orm-zero-shot"), Choice("orm"), Choice("adaptive"), Choice("think"), Choice("prm"), Choice("parm"),
    Choice("parm", "dpo-iter"), Choice("parm", "dpo-iter-parm"), Choice("parm++"), Choice("parm++", "dpo-iter"),
    Choice("parm++", "base", "region"), Choice("parm++", "dpo-iter", "region"), Choice("baseline", "sd3"),
    Choice("orm", "sd3"), Choice("baseline", "sdxl"), Choice("orm", "sdxl"),
)  # fmt: skip
AT_FIRST = (Choice("baseline"), Choice("baseline", "dpo-iter"), Choice("orm"), Choice("parm"), Choice("parm++"))
NOTHING = "Choose at least one method to compare."


def compared(backend: str) -> tuple[Choice, ...]:
    """The choices that a backend offers."""
    offered = {(offer.method, offer.model) for offer in offers(backend) if offer.offered}
    repaints = BACKENDS[backend].defaults["repaint"] == "whole"
    return tuple(
        choice for choice in CHOICES if (choice.method, choice.model) in offered and (repaints or not choice.corrects)
    )


@dataclass
class Card:
    """One run of a comparison; ``state`` is waiting, running, done, stopped or failed."""

    settings: Settings
    run: Run = field(default_factory=Run)
    operations: int = 0
    state: str = "waiting"
    words: str = ""
    ended: dict[str, Any] = field(default_factory=dict)

    def end(self, state: str, words: str = "") -> None:
        """From here on it is as it is: only what is shown of the run stays with the card."""
        self.state, self.words = state, words
        self.ended = self.shown()
        self.run = Run()

    @classmethod
    def recorded(cls, name: str, trace: Trace, operations: int) -> Card:
        """That of a recorded run; what it counted is not in its trace."""
        card = cls(trace.started.settings, operations=operations, state="done")
        card.ended = card._told(trace.state, name)
        return card

    def shown(self) -> dict[str, Any]:
        """What the page shows of it."""
        return self.ended or self._told(self.run.state, self.run.id)

    def _told(self, state: RunState, run: str) -> dict[str, Any]:
        s = self.settings
        choice = Choice.of(s)
        end = state.finished
        costs = {
            "passes": end.generator_passes, "questions": end.judge_passes, "saved": end.passes_saved,
            "seconds": end.seconds,
            "operations": self.operations,
        } if end else None  # fmt: skip
        return {
            "prompt": s.prompt,
            "seed": s.seed,
            "method": s.method,
            "title": choice.title,
            "label": choice.label,
            "model": MODELS[s.model].label,
            "paths": s.paths,
            "run": run if end else "",
            "state": self.state,
            "words": self.words,
            "picture": _shown(state),
            "verdict": verdict(state) if end else {},
            "costs": costs,
        }


def _shown(state: RunState) -> str:
    """The answer's image; before the end the latest one of the path that leads, if any was decoded."""
    if state.finished:
        image = state.answer.picture if state.answer else None
    else:
        steps = reversed(state.rounds[-1].leading.steps.values()) if state.rounds else ()
        image = next((step.event.picture for step in steps if step.event.picture is not None), None)
    return "" if image is None else encode_image(image, IMAGE, lossless=max(image.shape[:2]) <= SMALL)


def told(cards: Sequence[Card], **more: Any) -> str:
    """The message of cards, and ``more``, to the page."""
    return json.dumps({"cards": [card.shown() for card in cards], **more, "nonce": secrets.token_hex(4)})


@dataclass(frozen=True)
class Recorded:
    """The comparison that a page opens with (``python -m cotdemo record``); none where there are no ``traces``."""

    traces: dict[str, Trace]  # by name, in the order of the cards
    operations: dict[str, int]

    @classmethod
    def of(cls, backend: str, assets: Path) -> Recorded:
        """That of a backend in a folder as ``assets``. What is missing there or unreadable is left out."""
        try:
            counted = json.loads((assets / "comparison.json").read_text(encoding="utf-8"))["operations"]
        except (OSError, ValueError, TypeError, KeyError):
            counted = {}
        traces = dict(sorted(recorded_runs(backend, assets / "comparison").items()))
        given = counted if isinstance(counted, dict) else {}
        return cls(traces, {name: given[name] if isinstance(given.get(name), int) else 0 for name in traces})

    @property
    def prompt(self) -> str:
        return next((trace.started.settings.prompt for trace in self.traces.values()), "")

    def message(self) -> str:
        """The page's first message; "" where there is nothing to show."""
        cards = [Card.recorded(name, trace, self.operations[name]) for name, trace in self.traces.items()]
        return told(cards, recorded=min(trace.created for trace in self.traces.values())[:10]) if cards else ""


class Comparison:
    """What one visitor compares."""

    def __init__(self, cards: Sequence[Card], pace: Pace):
        self._pace = pace
        self.id = secrets.token_urlsafe(12)
        self.cards = cards
        self.stopped = False
        self.metered: Any = None  # what all of its runs are counted with

    def message(self) -> str:
        """All cards, as a text, never equal to the one before."""
        return told(self.cards, left=self._left())

    def _left(self) -> float | None:
        """Seconds that the runs to come take together, where that is known; the one under way counts in full."""
        ahead = [card for card in self.cards if card.state in ("waiting", "running")]
        seconds = [self._pace.expected(card.settings) for card in ahead]
        return None if self.stopped or not ahead or None in seconds else sum(seconds)

    def stop(self) -> None:
        self.stopped = True
        for card in self.cards:
            card.run.halt()


class Comparing:
    """What the Compare tab does; updates are by name, as those of ``Handlers``."""

    def __init__(self, handlers: Handlers, recorded: Recorded = Recorded({}, {})):  # noqa: B008  # frozen
        self._handlers = handlers
        self._recorded = recorded
        self._under_way: dict[str, Comparison] = {}  # by id; finished runs are kept with all others

    def compare(
        self, prompt: str, names: object, paths: object, seed: object, other: object = "", seeds: object = 1
    ) -> Iterator[Update]:
        """Run every chosen method and model on one prompt or two, from ``seeds`` seeds on, streaming."""
        try:
            prompts = [prompt, *([other] if isinstance(other, str) and other.strip() else [])]
            comparison = Comparison(self._cards(prompts, names, paths, seed, seeds), self._handlers.pace)
        except UserError as error:
            yield {"board": json.dumps({"failed": str(error), "nonce": secrets.token_hex(4)}), **_buttons(False)}
            return
        self._under_way[comparison.id] = comparison
        visitor = Visitor.here()
        try:
            yield {"comparison": comparison.id, "board": comparison.message(), **_compared(), **_buttons(True)}
            for card in comparison.cards:
                for _ in self._run(card, comparison, visitor):
                    yield {"board": comparison.message()}
        finally:  # the visitor may have left
            comparison.stop()
            del self._under_way[comparison.id]
        yield {"board": comparison.message(), **_compared(prompts), **_buttons(False)}

    def _cards(self, prompts: Sequence[str], names: object, paths: object, seed: object, seeds: object) -> list[Card]:
        """A card for each prompt, seed and choice. Raises UserError for what no card could have, and for too many."""
        chosen = names if isinstance(names, list) else []
        backend = self._handlers.backend
        wanted = [choice for choice in compared(backend) if choice.name in chosen]
        if not wanted:
            raise UserError(NOTHING)
        count = whole("seeds", seeds, *SEEDS)
        if (total := len(prompts) * count * len(wanted)) > MOST:
            raise UserError(
                f"These are {total} runs; at most {MOST} are compared at once. Choose fewer methods or seeds."
            )
        first = self._settings(prompts[0], wanted[0], paths, seed).seed  # where none is given, one is drawn for all
        seeds_of = [(first + number) % (SEED[1] + 1) for number in range(count)]
        return [
            Card(self._settings(prompt, choice, paths, seed))
            for prompt, seed, choice in product(prompts, seeds_of, wanted)
        ]

    def _settings(self, prompt: str, choice: Choice, paths: object, seed: object) -> Settings:
        return Settings.checked(
            prompt,
            choice.method,
            self._handlers.backend,
            choice.model,
            seed=seed,
            repaint=choice.repaint,
            paths=METHODS[choice.method].defaults.get("paths", paths),
        )

    def _run(self, card: Card, comparison: Comparison, visitor: Visitor) -> Iterator[None]:
        """One run; yields when there is news."""
        if comparison.stopped:
            card.end("stopped")
            return
        card.state, run = "running", card.run
        try:
            with self._handlers.line.place(visitor, card.settings.work) as place:
                yield from self._turn(card, place, comparison)
                if not comparison.stopped:
                    with self._handlers.log.told("compare", card.settings, lambda: run.state):
                        yield from self._paint(card, comparison)
            card.end("done" if run.state.finished else "stopped")
            self._handlers.runs.add(run)
            self._handlers.tell_unchecked()
        except Exception as error:
            card.end("failed", words_for(error))
        yield

    def _turn(self, card: Card, place: Place, comparison: Comparison) -> Iterator[None]:
        loader = self._handlers.loader
        while not comparison.stopped and not place.wait(0.2):
            card.words = f"{place.before} before this one in the line"
            yield
        loader.start()
        while not comparison.stopped and not loader.wait(0.2):
            card.words = loader.words
            yield

    def _paint(self, card: Card, comparison: Comparison) -> Iterator[None]:
        from ..backends.metered import Instrumented, Prices  # imports torch: not before the page is up

        backend, run, searches = self._handlers.loader.result(), card.run, self._handlers.searches
        # a lent GPU's process keeps its counts
        metered = comparison.metered = comparison.metered or Instrumented(backend, Prices())
        before = dict(metered.meter.totals)
        # whole traces where they are small, so that they can be looked at step by step
        show = "all" if max(backend.picture_size) <= SMALL else "judged"
        told = 0.0
        for batch in batches(searches.perform(card.settings, metered, show=show), run.stop):
            run.keep(batch)
            card.words = run.state.message or card.words
            if time.monotonic() - told > TELL:
                told = time.monotonic()
                yield
        card.operations = sum(metered.meter.since(before).values())
        if run.state.finished:
            self._handlers.pace.learn([run.state.started, run.state.finished])

    def stop(self, id: object) -> Update:
        """End the comparison within one step; what is finished stays."""
        comparison = self._under_way.get(id) if isinstance(id, str) else None
        if comparison is not None:
            comparison.stop()
        return _buttons(False)

    def open(self, on_show: str | None, event: gr.SelectData) -> Update:
        """The trace of one card in the viewer of the Run tab; ``on_show`` is what it shows now."""
        if event.value in self._recorded.traces:
            return self._handlers.keep.open_trace(self._recorded.traces[event.value], RECORDED, on_show)
        run = self._handlers.runs.get(event.value)
        if run is None or not run.begun:
            return {"viewer": notice("Failed", "This run is no longer kept here: compare again.")}
        return self._handlers.keep.open_run(run, "From a comparison", on_show)


def _compared(prompts: Sequence[str] = ()) -> Update:
    """The prompts that another may be offered beside; none while they are compared."""
    return {"anew": gr.update(compared=list(prompts))}


def _buttons(busy: bool) -> Update:
    return {"compare": gr.update(interactive=not busy), "stop": gr.update(interactive=busy)}
