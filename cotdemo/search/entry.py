"""The way into a search: settings checked, a strategy run between its start and its end, a reflection begun."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from time import perf_counter

import numpy as np

from ..errors import UserError
from ..registry import CORRECTOR, METHODS, resolve
from ..run.events import MAX_EVENTS, MOST_COUNTED, Event, Progress, RunFinished, RunStarted
from ..run.state import REFLECTING, RunState
from ..run.trace import MAX_BYTES, event_text
from ..settings import MAX_PROMPT, MOST_ROUNDS, ROUNDS, SETTINGS, Settings, plain_text
from .checklist import Checklist
from .protocols import Backend
from .reflection import criticise, is_right, judge_outcome, rank, repaint, repaint_marked
from .rounds import Chosen, Meter, Run, Show
from .withheld import screened


def search(
    method: str,
    backend: Backend,
    prompt: str,
    *,
    show: Show = "all",
    check: bool = True,
    rewrite: Callable[[str], str] | None = None,
    **settings: object,
) -> Iterator[Event]:
    """Paint ``prompt`` and choose the best image; yields ``RunStarted``, the run's events, ``RunFinished``.

    ``settings`` are those of ``cotdemo.settings.Settings`` beside them, by name. ``show`` says which images
    ``StepDecoded`` carries: "all", "judged" or "none"; a winner always has its own. ``check=False`` leaves out the
    backend's checker. ``rewrite`` changes critiques before they are painted from.

    Raises UserError at once, before anything is computed, for settings or a prompt that cannot be used.
    """
    checked = Settings.checked(prompt, method, backend.name, **settings)
    return perform(checked, backend, show=show, check=check, rewrite=rewrite)


def perform(
    settings: Settings,
    backend: Backend,
    *,
    show: Show = "all",
    check: bool = True,
    rewrite: Callable[[str], str] | None = None,
) -> Iterator[Event]:
    """``search`` for settings that have been checked. Raises UserError as ``prepared`` does."""
    settings = prepared(settings, backend)
    requirements = backend.requirements(settings.prompt)
    started = RunStarted(
        settings=settings,
        grid=(*backend.grid,),
        codebook=backend.codebook,
        picture_size=(*backend.picture_size,),
        weights=dict(backend.weights),
        requirements=tuple(one.words for one in requirements),
    )
    run = Run(settings, backend, show, check, rewrite, checklist=Checklist(requirements if settings.checklist else ()))
    return _finished(run, resolve(METHODS[settings.method].strategy)(run), started=started)


def prepared(settings: Settings, backend: Backend) -> Settings:
    """The settings with the prompt in the backend's canonical form, which everything that follows is given.

    Raises UserError where it is another backend, lacks what such a run needs, or cannot paint the prompt.
    """
    if settings.backend != backend.name:
        raise UserError(f"These settings are for {settings.backend}, and {backend.name} is running.")
    if settings.corrects and CORRECTOR not in backend.models:
        raise UserError(
            f"To repaint whole images takes a self-correcting generator, and {backend.name} has none: repaint a "
            "region, or give one (--assets DIR with its weights in DIR/self-correct)."
        )
    return replace(settings, prompt=plain_text("prompt", backend.canonical(settings.prompt), MAX_PROMPT))


def reflect(
    backend: Backend,
    events: Sequence[Event],
    *,
    anyway: bool = False,
    show: Show = "all",
    check: bool = True,
    rewrite: Callable[[str], str] | None = None,
) -> Iterator[Event]:
    """One round of reflection on the answer of a run: its verdict, the critique, the repainted candidates.

    ``events`` are the run's, of whatever method, painted here or opened from a trace; the events yielded continue them,
    and both together are again a run that can be reflected on. The last one, ``RunFinished``, names the better image
    and counts the run before it, too. If the judge calls the image right, nothing is repainted unless ``anyway``.

    Raises UserError at once if there is no image to reflect on, if the run was painted by another backend, on
    another grid, with another codebook or other weights, if no self-correcting model is offered, or after the last
    round allowed.
    """
    state = RunState.of(events)
    before = _reflectable(backend, state)
    run = _further(backend, state, len(events), repaint=None, show=show, check=check, rewrite=rewrite)
    number = state.rounds_begun
    if number > ROUNDS[1] and (anyway or not is_right(before)):
        raise UserError(f"This image has been repainted {ROUNDS[1]} times, which is the most. Start a new run.")
    said = state.rounds[before.winner.round].criticised
    critique = said.text if said and said.done else None  # the judge would say the same again
    return _finished(run, _reflection(run, number, before, critique, anyway), seconds=_seconds(state))


def brush(
    backend: Backend,
    events: Sequence[Event],
    tokens: Sequence[int],
    prompt: str = "",
    *,
    show: Show = "all",
    check: bool = True,
) -> Iterator[Event]:
    """Paint marked tokens of a run's answer anew, on as many paths as the run had; the best of them is the answer.

    ``tokens`` are positions in the grid, row by row. They are painted from ``prompt``, by which the image is judged and
    checked from then on; by default from the one that it was painted from. Everything else is as for ``reflect``;
    nobody criticises the image, and the judge does not choose between it and what comes of it: whoever marked it does
    (``taken_back``).

    Raises UserError as ``reflect`` does, for a prompt that cannot be painted, and where no token of the grid is marked
    or an image takes a single step.
    """
    state = RunState.of(events)
    before = _reflectable(backend, state)
    run = _further(backend, state, len(events), repaint="region", show=show, check=check, prompt=prompt)
    marked = sorted(set(tokens))
    if not marked or marked[0] < 0 or marked[-1] >= len(before.winner.codes):
        raise UserError("Mark some tokens of the image: they are what is painted anew.")
    number = state.rounds_begun
    if number > MOST_ROUNDS:
        raise UserError(f"This image has been repainted {MOST_ROUNDS} times, which is the most. Start a new run.")
    return _finished(run, _brushed(run, number, before, marked), seconds=_seconds(state))


def taken_back(events: Sequence[Event]) -> RunFinished:
    """The end of a run whose answer is again the image that was marked and painted anew (``brush``).

    Raises UserError where the answer came about otherwise.
    """
    state = RunState.of(events)
    before = state.rounds[state.answer.round].before if state.answer and state.finished else None
    if before is None:
        raise UserError("There is nothing to take back: no token of this image was marked.")
    return replace(state.finished, round=before, path=state.rounds[before].winner.path)


def _seconds(state: RunState) -> float:
    return state.finished.seconds if state.finished else 0.0


def _further(
    backend: Backend, state: RunState, events: int, *, repaint: str | None, show: Show, check: bool,
    rewrite: Callable[[str], str] | None = None, prompt: str = "",
) -> Run:  # fmt: skip
    """What a run goes on by after its end; ``repaint`` None asks for what it was asked for, or is usual. Without a
    ``prompt`` it is the answer's."""
    asked = state.settings
    most = asked.paths * (asked.steps + 3) + 20  # events that a round has
    if events + most > MAX_EVENTS:
        raise UserError(f"This run has {events} events already, and a trace holds {MAX_EVENTS}: paint it anew.")
    written = [len(event_text(replace(step.event, picture=None))) for step in state.steps.values()]
    if sum(written) + max(written, default=0) * asked.paths * asked.steps > MAX_BYTES:
        raise UserError(f"This run fills most of the {MAX_BYTES // 1_000_000} MB that a trace holds: paint it anew.")
    settings = Settings.checked(
        prompt.strip() or state.prompt,
        "parm++",
        backend.name,
        asked.model,
        paths=asked.paths,
        steps=asked.steps,
        guidance=asked.guidance,
        temperature=asked.temperature,
        seed=asked.seed,
        verdicts=asked.verdicts,
        repaint=repaint or (asked.repaint if asked.method == "parm++" else None),
        # who could not ask for one has not left it out
        checklist=asked.checklist or asked.method not in SETTINGS["checklist"].methods(),
    )
    settings = prepared(settings, backend)
    return Run(
        settings, backend, show, check, rewrite, Meter.after(state.finished), _checklist(backend, state, settings),
        anew=settings.prompt != asked.prompt,
    )  # fmt: skip


def _checklist(backend: Backend, state: RunState, settings: Settings) -> Checklist:
    """What the judge is asked besides, if the run began with the same requirements."""
    known = backend.requirements(settings.prompt)
    wanted = settings.checklist and tuple(one.words for one in known) == state.started.requirements
    return Checklist(known if wanted else (), {place for place, step in state.steps.items() if step.present})


def _reflectable(backend: Backend, state: RunState) -> Chosen:
    """The answer of a run, with the judge's word on it so far."""
    winner = state.answer
    if winner is None:
        raise UserError("There is no image to reflect on yet: paint one first.")
    if not winner.codes:
        raise UserError("This run does not hold the codes of its image: paint it anew.")
    other = _difference(backend, state.started)
    if other:
        raise UserError(f"{other}: paint it anew.")
    path = state.path_of(winner)
    if state.settings.steps - 1 not in path.steps:
        raise UserError("This run does not hold the last step of its image: paint it anew.")
    if state.finished is None and state.verifier != REFLECTING:
        raise UserError("This run was stopped before its end, and ranked by another judge: paint it anew.")
    # what another judge than the reflecting one said is no word of its own
    return Chosen(winner, path.outcome if path.outcome_by == REFLECTING else None)


def _difference(backend: Backend, started: RunStarted) -> str:
    """How what painted a run is another than ``backend``, in words; "" where its codes can be read there.

    A trace says of itself how large its grid and its codebook are; ``cotdemo.run.trace`` has checked its codes by that.
    """
    if started.settings.backend != backend.name:
        return f"This image was painted by {started.settings.backend}, and {backend.name} is running"
    grid, own = tuple(started.grid), tuple(backend.grid)
    if grid != own:
        return f"This image has {grid[0]} x {grid[1]} tokens, and {backend.name} paints {own[0]} x {own[1]}"
    if started.codebook != backend.codebook:
        return f"This image's tokens take {started.codebook} codes, and those of {backend.name} {backend.codebook}"
    other = [name for name in started.weights if started.weights[name] != backend.weights.get(name)]
    return f"This image was painted with other weights ({', '.join(sorted(other))})" if other else ""


def _reflection(
    run: Run, number: int, before: Chosen, critique: str | None, anyway: bool
) -> Generator[Event, None, Chosen]:
    before = yield from _with_full_image(run, before)
    if before.outcome is None:
        before = yield from judge_outcome(run, before)
    if is_right(before) and not anyway:
        yield Progress(f"the judge calls this image right (P(yes) = {before.outcome.p_yes:.2f})")
        return before
    if critique is None:
        critique = yield from criticise(run, before)
    after = yield from repaint(run, number, before, critique)
    return after if rank(after.outcome) > rank(before.outcome) else before


def _brushed(run: Run, number: int, before: Chosen, tokens: Sequence[int]) -> Generator[Event, None, Chosen]:
    before = yield from _with_full_image(run, before)
    return (yield from repaint_marked(run, number, before, tokens))


def _with_full_image(run: Run, chosen: Chosen) -> Generator[Event, None, Chosen]:
    """``chosen`` with the image of its codes: one from a trace may be a thumbnail, and is not trusted."""
    yield Progress("decoding the image")
    winner = chosen.winner
    (image,) = run.backend.decode(np.asarray([winner.codes]))
    run.meter.pictures_decoded += 1
    return Chosen(replace(winner, picture=image), chosen.outcome)


def _finished(
    run: Run, strategy: Generator[Event, None, Chosen], *, started: RunStarted | None = None, seconds: float = 0.0
) -> Iterator[Event]:
    """The events of a strategy between start and end; ``seconds`` count its own work, not that of whoever listens.

    Of a backend that has a safety checker (``safety``) they are screened.
    """
    flagged = getattr(run.backend, "safety", None)
    if started:
        yield started
    with closing(strategy):
        while True:
            since = perf_counter()
            try:
                event = next(strategy)
            except StopIteration as end:
                winner = end.value.winner
                break
            finally:
                seconds += perf_counter() - since
            yield screened(event, flagged)
    costs = {name: min(cost, MOST_COUNTED) for name, cost in asdict(run.meter).items()}  # a trace may claim anything
    yield RunFinished(winner.round, winner.path, min(seconds, float(MOST_COUNTED)), **costs)
