"""Runs and the states they come to, which hold ``cotdemo.run.state`` and the page's reducer to each other.

``PYTHONPATH=. python tests/run_states.py`` writes tests/data/run_states.json anew, from what ``RunState`` makes of the
events now; test_state.py and state.test.js compare with it. Cases are recorded runs, by the name of their file, or hard
ones with their events (without images), made here by scripted searches. The first ``length`` events are applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripted import Studio, Verdict

from cotdemo.run.codec import decode_event, encode_event
from cotdemo.run.events import Event, Judged, Progress, RoundStarted, RunFinished, StepDecoded
from cotdemo.run.state import PathState, RoundState, RunState, StepState
from cotdemo.run.trace import Trace
from cotdemo.search import brush, reflect, search, taken_back
from cotdemo.ui.recording import RUNS

FILE = Path(__file__).parent / "data" / "run_states.json"
PROMPT = "a photo of two red apples"
_LOOKED_AT_TWICE = ("4-all-stopped", "7-position", "10-region")  # halfway, too


# -- a state as the JSON of a case


def shown(state: RunState) -> dict[str, Any]:
    """What both implementations know, without images and what a step is made of."""
    end, answer = state.finished, state.answer
    costs = ("seconds", "generator_passes", "judge_passes", "pictures_decoded", "passes_saved")
    return {
        "phase": state.phase,
        "message": state.message,
        "prompt": state.started.settings.prompt if state.started else None,
        "finished": end and {"round": end.round, "path": end.path} | {name: getattr(end, name) for name in costs},
        "answer": answer and [answer.round, answer.path],
        "rounds": [_round(round, state.requirements) for round in state.rounds],
    }


def _round(round: RoundState, requirements: Sequence[str]) -> dict[str, Any]:
    winner, criticised = round.winner, round.criticised
    return {
        "round": round.round,
        "model": round.model,
        "critique": round.critique,
        "tokens": list(round.tokens),
        "before": round.before,
        "prompt": round.prompt,
        "criticised": criticised and {"text": criticised.text, "done": criticised.done},
        "agreed": round.agreed,
        "winner": winner and {
            "path": winner.path, "survivors": list(winner.survivors), "p_yes": _digits(winner.p_yes),
            "fallback": winner.fallback,
        },
        "paths": [{"status": round.status(path.path)} | _path(path, requirements) for path in round.paths],
    }  # fmt: skip


def _path(path: PathState, requirements: Sequence[str]) -> dict[str, Any]:
    pruned, checked = path.pruned, path.checked
    return {
        "path": path.path,
        "wave": path.wave,
        "pruned": pruned and [pruned.step, _digits(pruned.p_no)],
        "outcome": path.outcome and _said(path.outcome),
        "mean": _digits(path.mean),
        "checked": checked and [checked.correct, checked.strict, checked.reason],
        "decided": [path.decided(number) for number in range(len(requirements))],
        "steps": [_step(number, step) for number, step in path.steps.items()],
    }


def _step(number: int, step: StepState) -> dict[str, Any]:
    present = {"present": list(map(_digits, step.present.p_yes))} if step.present else {}
    verdicts = {question: _said(said) for question, said in step.verdicts.items()}
    return {"step": number, "masked": len(step.event.masked)} | verdicts | present


def _said(judged: Judged) -> list[Any]:
    return [_digits(judged.p_yes), _digits(judged.p_no), judged.answer]


def _digits(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


# -- cases


def cases() -> Iterator[dict[str, Any]]:
    """Name, events or name of a recorded run, length, state."""
    for file in sorted(RUNS.glob("*.json")):
        events = Trace.load(file).events
        for length in ((len(events) // 2,) if file.stem in _LOOKED_AT_TWICE else ()) + (len(events),):
            yield {"name": f"{file.stem}, {length} events", "run": file.name} | _come_to(events, length)
    for name, events, lengths in _hard():
        events = [replace(event, seconds=1.5) if isinstance(event, RunFinished) else event for event in events]
        written = [encode_event(event, images=False) for event in events]
        for event in written:
            event.pop("picture", None)
        cut = [length for length in lengths if length < len(events)]
        yield {"name": name, "events": written} | _come_to(events, len(events))
        for length in cut:
            yield {"name": f"{name}, {length} events", "of": name} | _come_to(events, length)


def events_of(case: dict[str, Any], all_cases: Sequence[dict[str, Any]]) -> list[Event]:
    if "run" in case:
        events = Trace.load(RUNS / case["run"]).events
    else:
        held = case if "events" in case else next(one for one in all_cases if one["name"] == case["of"])
        events = [decode_event(event) for event in held["events"]]
    return list(events[: case["length"]])


def _come_to(events: Sequence[Event], length: int) -> dict[str, Any]:
    return {"length": length, "state": shown(RunState.of(events[:length]))}


def _hard() -> Iterator[tuple[str, list[Event], Sequence[int]]]:
    """Name, events, and at which of them the state is looked at besides the end."""
    yield "nothing", [], ()
    yield "loading", [Progress("loading the model")], ()
    for name, method, say, settings in _SEARCHES:
        studio = Studio(say=say, check=lambda prompt, image: Verdict(False, False, "three apples , not two"))
        events = list(search(method, studio, PROMPT, **{"paths": 3, "steps": 4, "seed": 7, "guidance": 1.5} | settings))
        yield name, events, (1, 2, len(events) // 3, 2 * len(events) // 3, len(events) - 1)
        after = [*events, *reflect(studio, events, anyway=name != "called right")]
        begun = [place for place, event in enumerate(after) if isinstance(event, RoundStarted)][-1]
        yield f"{name}, and Reflect", after, (len(events) + 2, begun + 1, len(after) - 1)
    yield _listed()
    yield _region()
    yield _marked()


def _says(table: dict[tuple[str, int, int | None], Any], otherwise: Any = "yes", later: Any = "yes") -> Any:
    """Answers of round 0 by (question, path, step), a step of None for all of them; ``later`` about repaintings."""

    def say(question: str, number: int, path: int, step: int) -> Any:
        if number:
            return later
        return table.get((question, path, step), table.get((question, path, None), otherwise))

    return say


_SEARCHES = (
    ("plain", "baseline", _says({}, "no"), {"paths": 2}),
    ("ranked at the end by another judge", "orm", _says({("outcome", 1, 3): ("yes", 0.8, 0.1)}, "no"), {}),
    ("ranked at every step", "prm", _says({("outcome", 2, 3): ("no", 0.3, 0.6), ("outcome", 0, None): "no"}), {}),
    (
        "pruned", "parm",
        _says({("clarity", 0, 0): "no", ("potential", 1, 0): "no", ("potential", 0, 1): "no", ("outcome", 2, 3): "no"}),
        {},
    ),
    (
        "all pruned, one restored", "parm",
        _says({
            ("potential", 0, None): ("no", 0.2, 0.7), ("clarity", 1, 0): "no",
            ("potential", 1, None): ("no", 0.3, 0.6), ("clarity", 2, None): "no", ("outcome", 1, 3): "no",
        }),
        {},
    ),
    (
        "in waves until the judge is sure", "adaptive",
        _says({("outcome", 2, 3): ("yes", 0.7, 0.2), ("outcome", 3, 3): ("yes", 0.92, 0.01)}, "no"), {"paths": 6},
    ),
    ("in waves, never sure", "adaptive", _says({("outcome", 2, 3): ("yes", 0.7, 0.2)}, "no"), {}),
    (
        "in waves that are halved", "think",
        _says({
            ("potential", 1, 1): ("yes", 0.8, 0.1), ("potential", 2, 1): ("no", 0.3, 0.6),
            ("outcome", 1, 3): ("no", 0.4, 0.5), ("potential", 4, 1): ("yes", 0.9, 0.1),
            ("outcome", 4, 3): ("yes", 0.95, 0.01),
        }, ("no", 0.2, 0.7)),
        {"paths": 9},
    ),
    ("never clear", "parm", _says({}, "no"), {"guidance": 0}),
    ("called right", "parm++", _says({}), {}),
    (
        "criticised and repainted for nothing", "parm++",
        _says({("outcome", path, None): ("no", 0.4, 0.5) for path in range(3)}, later=("no", 0.3, 0.6)), {"rounds": 2},
    ),
)  # fmt: skip


def _listed() -> tuple[str, list[Event], Sequence[int]]:
    """A checklist: of path 0 the last requirement is missed from the third step on, as the critique says; the round
    that repaints it has everything."""

    def shows(words: str, number: int, path: int, step: int) -> float:
        return 0.7 - 0.2 * step if words == "two" and not number else 0.2 + 0.2 * step

    says = _says({("potential", 1, None): "no", ("clarity", 2, 0): "no"})
    studio = Studio(says, shows=shows, asks=("apples", "two"))
    studio.say = lambda question, *place: "no" if question == "outcome" and not place[0] else says(question, *place)
    events = list(search("parm++", studio, PROMPT, paths=3, steps=4, seed=7, rounds=1))
    return "with a checklist", events, (len(events) // 4, len(events) // 2, len(events) - 12)


def _region() -> tuple[str, list[Event], Sequence[int]]:
    """A round that repaints a region: the same model, guided, from the third step on."""
    studio = Studio(say=_says({("outcome", path, None): "no" for path in range(2)}))
    settings = {"paths": 2, "steps": 4, "seed": 7, "guidance": 1.5, "rounds": 1}
    events: list[Event] = []
    for event in search("parm++", studio, PROMPT, **settings):
        if isinstance(event, RoundStarted):
            event = replace(event, model="base")
        if isinstance(event, StepDecoded) and event.round:
            if event.step < 2:
                continue
            event = replace(event, passes=2)
        events.append(event)
    return "a region repainted", events, (len(events) - 12,)


def _marked() -> tuple[str, list[Event], Sequence[int]]:
    """Tokens that were marked and painted anew, and again after that was taken back: both rounds paint over round 0."""
    studio = Studio()
    events = list(search("orm", studio, PROMPT, paths=2, steps=4, seed=7))
    for number in (1, 2):
        studio.first_round = number - len(studio.started)
        events += brush(studio, events, [5, 6, 9], "a photo of a dog" if number == 2 else "")
        lengths = (len(events) - 9,)
        events += [taken_back(events)] if number == 1 else []
    return "marked, taken back, marked again", events, lengths


def main() -> None:
    made = list(cases())
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), ensure_ascii=False) for case in made)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(made)} cases in {FILE}")


if __name__ == "__main__":
    main()
