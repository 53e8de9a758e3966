"""PARM++: the judge says in words what is wrong with the chosen image, and it is repainted (arXiv 2501.13926
section 3.4).

Whatever model painted the first image, the self-correcting one repaints the whole of it; or the same model repaints
regions of it (``regions``), and needs no other weights. An image is the better one if the judge calls it right, then
by its P(yes); the best so far is what the next round repaints, and what is kept in the end.

The paper lets candidates go through PARM again. A repainting is clear from its first step on, being mostly the image
before: PARM would ask for its potential while it still shows the fault, and stops what is about to be mended.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from ..run.events import Critiqued, Event, Judged, Progress
from ..settings import BACKENDS, CORRECTOR, MAX_PROMPT, Settings
from . import regions
from .best_of_n import orm
from .parm import parm
from .protocols import Context
from .rounds import Beginning, Chosen, Run

MAX_CRITIQUE = 400  # characters; a judge that does not end its sentence is cut off


def parm_plus(run: Run) -> Generator[Event, None, Chosen]:
    """PARM, then critique and repainting until the judge says "yes", for at most ``settings.rounds`` rounds."""
    best = yield from parm(run)
    critique = None
    for number in range(1, run.settings.rounds + 1):
        if is_right(best):
            break
        if critique is None:
            critique = yield from criticise(run, best)
        candidate = yield from repaint(run, number, best, critique)
        if rank(candidate.outcome) > rank(best.outcome):
            best, critique = candidate, None
    return best


def repaint(run: Run, number: int, chosen: Chosen, critique: str) -> Generator[Event, None, Chosen]:
    """Best of N candidates that are painted from an image and what the judge thinks of it."""
    words = run.rewrite(critique) if run.rewrite else critique
    codes, image = chosen.winner.codes, chosen.winner.picture
    if run.settings.repaint == "region":
        after = regions.opened(run, number, codes)
        beginning = Beginning(number, None, image, words, after=after, prompt=amended(run.settings, words))
    else:
        beginning = Beginning(number, CORRECTOR, image, words, Context(codes, words))
    return (yield from orm(run, beginning))


def repaint_marked(run: Run, number: int, chosen: Chosen, tokens: Sequence[int]) -> Generator[Event, None, Chosen]:
    """Best of N candidates that differ from an image in the marked ``tokens`` alone; no critique."""
    after = regions.marked(run, chosen.winner.codes, tokens)
    beginning = Beginning(number, None, chosen.winner.picture, after=after, tokens=tuple(tokens))
    return (yield from orm(run, beginning))


def amended(settings: Settings, critique: str) -> str:
    """The prompt with the critique after it, as far as a prompt may go; "" where the backend's generators read no such.

    The released generators were never shown a critique: this is this project's way to tell them, not the paper's.
    """
    if not BACKENDS[settings.backend].amends or not critique:
        return ""
    return f"{settings.prompt.rstrip('.')}. {critique}"[:MAX_PROMPT]


def criticise(run: Run, chosen: Chosen) -> Generator[Event, None, str]:
    """The judge's words on an image, as they come, then complete."""
    yield Progress("the judge says what is wrong")
    encoded = run.critic.encode([chosen.winner.picture])
    run.meter.judge_passes += 1
    text = ""
    yield Critiqued(chosen.winner.round, text, done=False)
    for so_far in _joined(encoded.explain(run.settings.prompt, 0)):
        text = so_far
        yield Critiqued(chosen.winner.round, text, done=False)
    yield Critiqued(chosen.winner.round, text, about=run.checklist.named_by(text))
    return text


def judge_outcome(run: Run, chosen: Chosen) -> Generator[Event, None, Chosen]:
    """``chosen`` with the judge's answer to "outcome", for a winner that nothing has judged."""
    yield Progress("looking at the image")
    encoded = run.judge.encode([chosen.winner.picture])
    yield Progress("judging outcome")
    place = (chosen.winner.round, chosen.winner.path, run.settings.steps - 1)
    (outcome,) = run.ask(encoded, "outcome", [place], [0])
    yield outcome
    yield from run.go_through(encoded, [place], Progress)
    return Chosen(chosen.winner, outcome)


def is_right(chosen: Chosen) -> bool:
    return rank(chosen.outcome)[0]


def rank(outcome: Judged | None) -> tuple[bool, float]:
    """By what the judge says of two images the better one is found: "yes", then the higher P(yes)."""
    return (outcome is not None and outcome.answer == "yes", outcome.p_yes if outcome else -1.0)


def _joined(pieces: Iterator[str]) -> Iterator[str]:
    """Text that grows piece by piece, kept to one line without control characters."""
    text = ""
    for piece in pieces:
        text += piece
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        yield line[:MAX_CRITIQUE]
        if len(line) >= MAX_CRITIQUE:
            return
