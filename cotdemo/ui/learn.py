"""The tour: what happened in a recorded run, stop by stop, each at the element of the page where it can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..run.events import Judged, Question, Winner
from ..run.prose import prose
from ..run.said import BAD_LOT, standing
from ..run.state import PathState, RunState
from ..run.story import MENDED, story_of
from ..run.trace import Trace

Place = tuple[int, int, int]  # round, path, step

# What the judge's answer on the only path left means; how sure it is alone may say little.
LAST = {
    "yes": "yes, it does",
    "no": "it does not, but nothing else is left to choose",
    "neither": "neither yes nor no, but nothing else is left to choose",
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
    state = trace.state
    first, last = state.rounds[0], state.settings.steps - 1
    winner = first.winner
    yield from _session(first.paths, state.path_of(winner))
    yield from _judging(state)
    yield from _stopping(state, winner)
    if winner.p_yes is not None:
        text = _choosing(winner, state.path_of(winner).outcome, standing(first)) + _never_clear(first.paths, winner)
        yield Stop("Best of what is left", text, _row(winner.path), (0, winner.path, last))
    yield from _reflecting(state)
    yield Stop(
        "Look for yourself",
        "Click any cell, drag the slider or press play: all of this happens in your browser. Point at the image to "
        "see each token's code, and when it was kept.",
        "#viewer .cot-transport",
    )
    if len(first.paths) > 1 and winner.p_yes is not None:
        yield Stop(
            "Guess first",
            "With this switch you bet on recorded runs: which attempts the judge stops and which one wins, before it "
            "says so. Then you are told how far you agree.",
            ".cot-guess",
        )
    checked = state.answer_path.checked
    if checked and not checked.by:
        yield Stop(
            "The truth",
            "The embedded model paints drawings, which an exact checker can read. It says what is true, and neither "
            "the generator nor the judge ever sees that.",
            ".cot-truth:not([hidden], [hidden] *, [data-later] *)",
        )


def _session(paths: Sequence[PathState], won: PathState) -> Iterator[Stop]:
    steps = [step.event for step in won.steps.values()]
    shown = steps[min(1, len(steps) - 1)]
    tokens, kept = len(shown.codes), len(shown.codes) - len(shown.masked)
    yield Stop(
        "An image is a grid of tokens",
        f"The generator begins with {tokens} masked tokens. At every step it guesses them all, keeps the surest and "
        f"masks the rest again. Here, after step {shown.step + 1}, it has kept {kept} of {tokens}; the others are "
        "veiled.",
        _cell(shown.path, shown.step), (0, shown.path, shown.step),
    )  # fmt: skip
    if len(paths) > 1:
        yield Stop(
            "Every row is an attempt",
            f"{len(paths)} attempts paint the same prompt, each by its own chance. A column is a step.",
            _row(0),
        )


def _judging(state: RunState) -> Iterator[Stop]:
    clear = next((one for one in _asked(state, "clarity") if one.answer == "yes"), None)
    if clear is None:
        return
    before = sum(one.path == clear.path and one.step < clear.step for one in _asked(state, "clarity"))
    asked = f" It had been asked {before} time{'s' if before > 1 else ''} before, and had seen too little (○)."
    place = (0, clear.path, clear.step)
    yield Stop(
        "Clear enough to judge?",
        f"PARM, the reward model, is asked of every guess whether it is clear enough to be judged. After step "
        f"{clear.step + 1} it first said so of attempt {clear.path + 1} (●), and is {_percent(clear.p_yes)} sure."
        + (asked if before else ""),
        _cell(clear.path, clear.step), place,
    )  # fmt: skip
    potential = state.steps[place].verdicts.get("potential")
    if potential:
        went = {"yes": "yes (▲), so it is painted on", "no": "no (▼)", "neither": "neither yes nor no (△)"}
        yield Stop(
            "Can it still come out right?",
            f"Of a clear guess it is asked whether it can still become what the prompt says. It said "
            f"{went[potential.answer]}: {_percent(potential.p_yes)} sure that it can still work.",
            _cell(clear.path, clear.step), place,
        )  # fmt: skip


def _stopping(state: RunState, winner: Winner) -> Iterator[Stop]:
    ended = [path.pruned for path in state.rounds[0].paths if path.pruned and path.path != winner.path]
    if not ended:
        return
    stopped = min(ended, key=lambda one: one.step)
    left = state.settings.steps - stopped.step - 1
    had = "The step that it had left was" if left == 1 else f"The {left} steps that it had left were"
    yield Stop(
        "Hopeless attempts stop",
        f"Attempt {stopped.path + 1} was stopped after step {stopped.step + 1}: the judge was "
        f"{_percent(stopped.p_no)} sure that it cannot come out right."
        + (f" {had} never painted, and their computation is saved." if left else " It was its last."),
        _cell(stopped.path, stopped.step), (0, stopped.path, stopped.step),
    )  # fmt: skip


def _never_clear(paths: Sequence[PathState], winner: Winner) -> str:
    """How many attempts more went on to their end, and are not ranked; "" where there are none."""
    count = sum(bool(path.steps) and path.pruned is None and path.path not in winner.survivors for path in paths)
    if winner.fallback or not count:
        return ""
    return f" {count} more {'was' if count == 1 else 'were'} painted to the end, but never judged clear."


def _choosing(winner: Winner, outcome: Judged | None, called: str) -> str:
    path, said = winner.path + 1, f"{_percent(winner.p_yes or 0.0)} sure"
    if winner.fallback:
        return (
            f"No attempt passed the judge, so attempt {path}, the least doubtful, was painted to its end. Of its final "
            f"image the judge is {said} that it matches the prompt."
        )
    if len(winner.survivors) < 2:
        means = f": {LAST[outcome.answer]}" if outcome else ""
        return (
            f"Attempt {path} is all that is left to choose. Of its final image the judge is {said} that it matches the "
            f"prompt{means}."
        )
    stands = f"is {BAD_LOT}" if called == BAD_LOT else "wears the crown"
    return (
        f"The judge looks at the final images of the {len(winner.survivors)} attempts that are left, and ranks them "
        f"by how sure it is that each matches the prompt. Attempt {path} {stands}: {said}."
    )


def _reflecting(state: RunState) -> Iterator[Stop]:
    before, after = (*state.rounds, None)[:2]
    if after is None or after.winner is None:
        return
    words = f"it says “{prose(after.critique)}”" if after.critique else "it says no more"
    outcome = state.path_of(before.winner).outcome
    right = outcome is not None and outcome.answer == "yes"
    found = "calls it right, and was asked to repaint it all the same" if right else "finds it wrong"
    yield Stop(
        "Reflection",
        f"PARM++ goes on. The judge {found}: {words}. The image is painted again from that critique; of the best "
        f"new one the judge is {_percent(after.winner.p_yes or 0.0)} sure that it matches the prompt.",
        ".cot-top .cot-reflection", (1, after.winner.path, state.settings.steps - 1),
    )  # fmt: skip


def _asked(state: RunState, question: Question) -> list[Judged]:
    """The answers to a question about the guesses of the first round, in the order they were painted."""
    first = [step for (round, *_), step in state.steps.items() if round == 0]
    return [step.verdicts[question] for step in first if question in step.verdicts]


def _cell(path: int, step: int) -> str:
    return f'#viewer td[data-path="{path}"][data-step="{step}"]'


def _row(path: int) -> str:
    return f"#viewer .cot-matrix tbody tr:nth-child({path + 1}) th"


def _percent(value: float) -> str:
    """As the viewer writes it."""
    return "more than 99%" if value > 0.99 else "less than 1%" if value < 0.01 else f"{value:.0%}"
