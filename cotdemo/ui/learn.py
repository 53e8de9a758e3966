"""The tour: what happened in a recorded run, stop by stop, each at the element of the page where it can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..run.events import Critiqued, Event, Judged, PathPruned, StepDecoded, Winner
from ..run.prose import prose
from ..run.story import MENDED, story_of
from ..run.trace import Trace

Place = tuple[int, int, int]  # round, path, step

# What the judge's answer on the only path left means; P(yes) alone may be small.
LAST = {
    "yes": "it matches the prompt",
    "no": "it does not match the prompt, but nothing else is left to choose",
    "neither": "neither that it matches the prompt nor that it does not, but nothing else is left to choose",
}


@dataclass(frozen=True)
class Stop:
    """``target`` is a CSS selector; ``place`` is what the viewer is to show, None for what it shows already."""

    title: str
    text: str
    target: str
    place: Place | None = None


def tour_of(recorded: Mapping[str, Trace]) -> dict[str, Any]:
    """The recorded run that shows the most, if possible one that a critique mended, and its stops; {} without runs."""
    stops = {name: list(stops_of(trace)) for name, trace in recorded.items() if trace.winner}
    if not stops:
        return {}
    name = max(stops, key=lambda one: (story_of(recorded[one]) == MENDED, len(stops[one])))
    return {
        "run": name,
        "prompt": recorded[name].started.settings.prompt,
        "stops": [asdict(stop) for stop in stops[name]],
    }


def stops_of(trace: Trace) -> Iterator[Stop]:
    """The stops of one run; what did not happen in it has none."""
    events, asked = trace.events, trace.started.settings
    first = [event for event in events if getattr(event, "round", 0) == 0]
    winner = _only(first, Winner)[-1]
    yield from _session(first, winner, asked.paths)
    yield from _judging(first)
    yield from _stopping([event for event in first if getattr(event, "path", None) != winner.path], asked.steps)
    if winner.p_yes is not None:
        text = _choosing(winner, _answer_on(winner, first))
        yield Stop("Best of what is left", text, _row(winner.path), (0, winner.path, asked.steps - 1))
    yield from _reflecting(events, _answer_on(winner, events), asked.steps)
    yield Stop(
        "Look for yourself",
        "Click any cell, drag the slider or press play: all of this happens in your browser. Point at the picture to "
        "see each token's code, and when it was kept.",
        "#viewer .cot-transport",
    )
    if trace.state.answer_path.checked:
        yield Stop(
            "The truth",
            "The embedded world is simple enough for an exact checker. It says what is true, and neither the generator "
            "nor the judge ever sees that.",
            ".cot-top .cot-truth:not([hidden] *)",
        )


def _session(first: Sequence[Event], winner: Winner, paths: int) -> Iterator[Stop]:
    steps = [event for event in _only(first, StepDecoded) if event.path == winner.path]
    shown = steps[min(1, len(steps) - 1)]
    tokens, kept = len(shown.codes), len(shown.codes) - len(shown.masked)
    yield Stop(
        "A picture is a grid of tokens",
        f"The generator begins with {tokens} masked tokens. At every step it guesses them all, keeps the surest and "
        f"masks the rest again. Here, after step {shown.step + 1}, it has kept {kept} of {tokens}; the others are "
        "veiled.",
        _cell(shown.path, shown.step), (0, shown.path, shown.step),
    )  # fmt: skip
    if paths > 1:
        yield Stop(
            "Every row is an attempt",
            f"{paths} attempts paint the same prompt, each by its own chance. A column is a step.",
            _row(0),
        )


def _judging(first: Sequence[Event]) -> Iterator[Stop]:
    judged = _only(first, Judged)
    clear = next((one for one in judged if one.question == "clarity" and one.answer == "yes"), None)
    if clear is None:
        return
    before = sum(one.question == "clarity" and one.path == clear.path and one.step < clear.step for one in judged)
    asked = f" It had been asked {before} time{'s' if before > 1 else ''} before, and had seen too little (○)."
    place = (0, clear.path, clear.step)
    yield Stop(
        "Clear enough to judge?",
        f"PARM, the reward model, is asked of every guess whether it is clear enough to be judged. After step "
        f"{clear.step + 1} it first said so of attempt {clear.path + 1} (●): P(clear) {_probability(clear.p_yes)}."
        + (asked if before else ""),
        _cell(clear.path, clear.step), place,
    )  # fmt: skip
    potential = [one for one in judged if one.question == "potential" and (one.path, one.step) == place[1:]]
    for one in potential[:1]:
        went = {"yes": "yes (▲), so it is painted on", "no": "no (▼)", "neither": "neither yes nor no (△)"}[one.answer]
        yield Stop(
            "Can it still come out right?",
            f"Of a clear guess it is asked whether it can still become what the prompt says. It said {went}: "
            f"P(potential) {_probability(one.p_yes)}.",
            _cell(one.path, one.step), place,
        )  # fmt: skip


def _stopping(first: Sequence[Event], steps: int) -> Iterator[Stop]:
    for stopped in _only(first, PathPruned)[:1]:
        left = steps - stopped.step - 1
        had = "The step that it had left was" if left == 1 else f"The {left} steps that it had left were"
        yield Stop(
            "Hopeless attempts stop",
            f"Attempt {stopped.path + 1} was stopped after step {stopped.step + 1}: P(no) {_probability(stopped.p_no)}."
            + (f" {had} never painted, and their computation is saved." if left else " It was its last."),
            _cell(stopped.path, stopped.step), (0, stopped.path, stopped.step),
        )  # fmt: skip


def _answer_on(winner: Winner, events: Sequence[Event]) -> str | None:
    """The judge's latest answer on whether the picture of ``winner`` matches the prompt; None if it was not asked."""
    said = [one for one in _only(events, Judged) if (one.question, one.round) == ("outcome", winner.round)]
    return next((one.answer for one in reversed(said) if one.path == winner.path), None)


def _choosing(winner: Winner, answer: str | None) -> str:
    path, said = winner.path + 1, f"P(yes) {_probability(winner.p_yes or 0.0)}"
    if winner.fallback:
        return (
            f"No attempt passed the judge, so attempt {path}, the least doubtful, was painted to its end. Of its final "
            f"picture the judge says {said}: the probability that it matches the prompt."
        )
    if len(winner.survivors) < 2:
        means = LAST[answer] if answer else "the probability that it matches the prompt"
        return f"Attempt {path} is all that is left. Of its final picture the judge says {said}: {means}."
    return (
        f"The judge looks at the final pictures of the {len(winner.survivors)} attempts that are left, and ranks them "
        f"by P(yes), the probability that a picture matches the prompt. Attempt {path} wears the crown: {said}."
    )


def _reflecting(events: Sequence[Event], answer: str | None, steps: int) -> Iterator[Stop]:
    later = [winner for winner in _only(events, Winner) if winner.round == 1]
    said = [event.text for event in _only(events, Critiqued) if event.done]
    for winner in later[:1]:
        words = f"it says “{prose(said[0])}”" if said and said[0] else "it says no more"
        found = "calls it right, and was asked to repaint it all the same" if answer == "yes" else "finds it wrong"
        yield Stop(
            "Reflection",
            f"PARM++ goes on. The judge {found}: {words}. The picture is painted again from that critique; of the best "
            f"new one the judge says P(yes) {_probability(winner.p_yes or 0.0)}.",
            ".cot-top .cot-reflection", (1, winner.path, steps - 1),
        )  # fmt: skip


def _only(events: Sequence[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _cell(path: int, step: int) -> str:
    return f'#viewer td[data-path="{path}"][data-step="{step}"]'


def _row(path: int) -> str:
    return f"#viewer .cot-matrix tbody tr:nth-child({path + 1}) th"


def _probability(value: float) -> str:
    """As the viewer writes it."""
    return "1.0" if value >= 0.995 else f"{value:.2f}"[1:]
