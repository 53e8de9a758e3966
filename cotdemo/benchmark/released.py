"""The procedure of the paper's released code (github ZiyuGuo99/Image-Generation-CoT), and the same run by the search.

One path at a time. Whole padded sequences at every step, logits for every position over the whole vocabulary. Every
guess is decoded, once more for the judge until one is clear, and the final image: 19 + c decodes at 18 steps where the
c-th image is the first clear one. Every question encodes its image anew, reads its text from the beginning and is
answered by transformers' ``generate``, greedily, until the end mark. A rejected path is painted to its end. Where the
released code does more, it is let off: no PNG files between generator and judge, answers of one word (it allows 100
tokens), one random number a token (it draws one for each code).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from ..backends import Backend
from ..backends.metered import Instrumented, Meter
from ..compute.linear import as_torch_does
from ..run.events import Judged, Question, StepDecoded, Winner
from ..search.parm import parm
from ..search.protocols import SamplingSession
from ..search.rounds import Run
from ..search.stopping import StoppingRule
from ..settings import Settings
from ..verifiers.images import to_pixels
from ..verifiers.llava import LlavaVerifier

Guess = tuple[tuple[int, ...], tuple[int, ...]]  # codes, positions masked again


@dataclass(frozen=True)
class Script:
    """Verdicts that depend on path and step alone, so that two procedures have the same work to do.

    Images are clear from step ``clear_from`` on (counted from 0); one path in ``hopeless_one_in`` has no potential;
    every final image is called right.
    """

    clear_from: int
    hopeless_one_in: int = 4

    @classmethod
    def typical(cls, steps: int) -> Script:
        """The first clear image at the 8th of 18 steps, where the paper's judge finds its earliest ones."""
        return cls(clear_from=max(round(steps * 8 / 18), 1) - 1)

    def says(self, question: Question, path: int, step: int) -> bool:
        if question == "clarity":
            return step >= self.clear_from
        return question == "outcome" or path % self.hopeless_one_in != self.hopeless_one_in - 1


class PlainRun:
    """A whole run of ``settings``. ``guesses`` has every (path, step), ``winner`` the path with the highest P(yes)."""

    def __init__(self, backend: Backend, settings: Settings, script: Script, meter: Meter):
        self._generator = Instrumented(backend, meter).generator(settings.model)
        self._judge, self._settings = backend.verifier("parm"), settings
        self._script, self._meter = script, meter
        self.guesses: dict[tuple[int, int], Guess] = {}
        self.decodes = self.questions = 0
        finals = {path: self._sample(path) for path in range(settings.paths)}
        survivors = [path for path, (promising, _) in finals.items() if promising]
        scores = {path: self._ask("outcome", path, settings.steps - 1, finals[path][1])[1] for path in survivors}
        self.winner = max(scores, key=scores.get) if scores else None

    def _sample(self, path: int) -> tuple[bool, np.ndarray]:
        """Paint one path to its end; whether it may come out right, and the final image."""
        s = self._settings
        session = self._generator.start(s.prompt, [path], s.steps, s.guidance, s.temperature, s.seed, form="plain")
        clear = promising = False
        while not session.done:
            step = session.step()
            masked = step.masked[0].nonzero()[:, 0].tolist()
            self.guesses[path, step.index] = tuple(step.codes[0].tolist()), tuple(masked)
            self._decode(session, step.codes)
            if not clear:
                image = self._decode(session, step.codes)
                clear = self._ask("clarity", path, step.index, image)[0]
                if clear:
                    promising = self._ask("potential", path, step.index, image)[0]
        return promising, self._decode(session, step.codes)

    def _decode(self, session: SamplingSession, codes: torch.Tensor) -> np.ndarray:
        self.decodes += 1
        return session.decode(codes)[0]

    def _ask(self, question: Question, path: int, step: int, image: np.ndarray) -> tuple[bool, float]:
        """The scripted verdict, and P(yes)."""
        self.questions += 1
        verdict = self._script.says(question, path, step)
        return verdict, self._meter.spend("judge", [], lambda: self._answer(question, image, verdict))

    def _answer(self, question: Question, image: np.ndarray, verdict: bool) -> float:
        return plain_answer(self._judge, image, question, self._settings.prompt, verdict)


class _Dictated(LogitsProcessor):
    """Makes ``generate`` say the given tokens, one after another, whatever the model would have said."""

    def __init__(self, tokens: Sequence[int]):
        self._tokens = iter(tokens)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        dictated = torch.full_like(scores, -torch.inf)
        dictated[:, next(self._tokens)] = 0
        return dictated


@torch.inference_mode()
def plain_answer(judge: LlavaVerifier, image: np.ndarray, question: Question, prompt: str, verdict: bool) -> float:
    """P(yes) before ``verdict`` is dictated, by transformers' own computation over image and text."""
    model, conversation = judge.model, judge.conversation
    device, size = model.device, judge.picture_size
    ids = torch.tensor([conversation.ids(question, prompt)], device=device)
    answer = conversation.yes if verdict else conversation.no
    said = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=to_pixels([image], size, like=model.model.image_newline)[:, None],
        image_sizes=torch.tensor([[size, size]], device=device),
        batch_num_images=torch.tensor([2], device=device),  # as if beside a second view: one view is taken whole
        generation_config=GenerationConfig(
            do_sample=False,
            max_new_tokens=100,
            eos_token_id=conversation.end,
            pad_token_id=conversation.end,
            return_dict_in_generate=True,
            output_logits=True,
        ),
        logits_processor=LogitsProcessorList([_Dictated([answer, conversation.end])]),
    )
    return float(said.logits[0][0].float().softmax(-1)[conversation.yes])


class PlainShapes(PlainRun):
    """Its judge reads text and image anew for every question, and does not say the end mark."""

    def _answer(self, question: str, image: np.ndarray, verdict: bool) -> float:
        return float(self._judge.encode([image]).ask(question, self._settings.prompt).p_yes[0])


# -- the fast path, and what both come to


@dataclass(frozen=True)
class ScriptedRule(StoppingRule):
    """Stops paths by a script, whatever the judge answers; it is asked all the same."""

    script: Script = Script(7)

    def clear(self, clarity: Judged) -> bool:
        return self.script.says("clarity", clarity.path, clarity.step)

    def promising(self, potential: Judged, best: float) -> bool:
        return self.script.says("potential", potential.path, potential.step)

    def hopeless(self, potential: Judged, best: float) -> bool:
        return not self.promising(potential, best)


def scripted(backend: Backend, settings: Settings, script: Script, meter: Meter) -> Run:
    """A run of PARM by a script; it decodes what is judged."""
    return Run(settings, Instrumented(backend, meter), "judged", check=False, rule=ScriptedRule(script=script))


@dataclass(frozen=True)
class Side:
    """One run: seconds in all, what its parts took (seconds, or operations), every guess, and what was chosen."""

    seconds: float
    parts: Mapping[str, float]
    guesses: Mapping[tuple[int, int], Guess]  # (path, step) -> codes, positions masked again
    winner: int | None
    decodes: int
    questions: int


def plainly(
    backend: Backend, settings: Settings, script: Script, meter: Meter, run_of: type[PlainRun] = PlainRun
) -> Side:
    """A run by the procedure of the released code."""
    begun = time.perf_counter()
    with as_torch_does():
        run = run_of(backend, settings, script, meter)
    return Side(time.perf_counter() - begun, meter.totals, run.guesses, run.winner, run.decodes, run.questions)


def fast(backend: Backend, settings: Settings, script: Script, meter: Meter) -> Side:
    """The same run by the search."""
    guesses: dict[tuple[int, int], Guess] = {}
    begun = time.perf_counter()
    run = scripted(backend, settings, script, meter)
    for event in parm(run):
        if isinstance(event, StepDecoded):
            guesses[event.path, event.step] = event.codes, event.masked
        elif isinstance(event, Winner):
            winner = None if event.fallback else event.path
    seconds = time.perf_counter() - begun
    return Side(seconds, meter.totals, guesses, winner, run.meter.pictures_decoded, run.meter.judge_passes)
