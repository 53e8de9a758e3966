"""The procedure of the paper's released code (github ZiyuGuo99/Image-Generation-CoT), as the fast path's opponent.

One path at a time. Whole padded sequences at every step, logits for every position over the whole vocabulary. Every
guess is decoded, once more for the judge until one is clear, and the final picture: 19 + c decodes at 18 steps where
the c-th picture is the first clear one. Every question encodes its picture anew, reads its text from the beginning and
is answered by greedy generation, ended at the end mark (a word and the mark: two forward passes of transformers' own
model; the released code allows 100). A rejected path is painted to its end. Left out, in the plain procedure's favour:
the PNG files between generator and judge.
"""

from __future__ import annotations

import torch

from ..events import Question
from ..generator.pipeline import ShowoPipeline
from ..judge.judge import Judge
from ..judge.pictures import to_pixels
from ..settings import Settings
from .instruments import Script, Watch

Guess = tuple[tuple[int, ...], tuple[int, ...]]  # codes, positions masked again


class PlainRun:
    """A whole run of ``settings``. ``guesses`` has every (path, step), ``winner`` the path with the highest P(yes)."""

    def __init__(self, pipeline: ShowoPipeline, judge: Judge, settings: Settings, script: Script, watch: Watch):
        self._pipeline, self._judge, self._settings = pipeline, judge, settings
        self._script, self._watch = script, watch
        self.guesses: dict[tuple[int, int], Guess] = {}
        self.decodes = self.questions = 0
        finals = {path: self._paint(path) for path in range(settings.paths)}
        survivors = [path for path, (promising, _) in finals.items() if promising]
        scores = {path: self._ask("outcome", path, settings.steps - 1, finals[path][1])[1] for path in survivors}
        self.winner = max(scores, key=scores.get) if scores else None

    def _paint(self, path: int):
        """Paint one path to its end; whether it may come out right, and the final picture."""
        s = self._settings
        with self._watch("generator"):
            painting = self._pipeline.start(s.prompt, [path], s.steps, s.guidance, s.temperature, s.seed, form="plain")
        clear = promising = False
        while not painting.done:
            with self._watch("generator"):
                step = painting.step()
            masked = step.masked[0].nonzero()[:, 0].tolist()
            self.guesses[path, step.index] = tuple(step.codes[0].tolist()), tuple(masked)
            self._decode(painting, step.codes)
            if not clear:
                picture = self._decode(painting, step.codes)
                clear = self._ask("clarity", path, step.index, picture)[0]
                if clear:
                    promising = self._ask("potential", path, step.index, picture)[0]
        return promising, self._decode(painting, step.codes)

    def _decode(self, painting, codes):
        self.decodes += 1
        with self._watch("decoder"):
            return painting.decode(codes)[0]

    def _ask(self, question: Question, path: int, step: int, picture) -> tuple[bool, float]:
        """The scripted verdict, and P(yes)."""
        self.questions += 1
        verdict = self._script.says(question, path, step)
        with self._watch("judge"):
            return verdict, plain_answer(self._judge, picture, question, self._settings.prompt, verdict)


@torch.inference_mode()
def plain_answer(judge: Judge, picture, question: Question, prompt: str, verdict: bool) -> float:
    """P(yes), by transformers' own forward pass over picture and text; then ``verdict`` is said, and the end mark."""
    model, conversation = judge.model, judge.conversation
    device, size = model.device, judge.picture_size
    said = model(
        input_ids=torch.tensor([conversation.ids(question, prompt)], device=device),
        pixel_values=to_pixels([picture], size, like=model.model.image_newline)[:, None],
        image_sizes=torch.tensor([[size, size]], device=device),
        batch_num_images=torch.tensor([2], device=device),  # as if beside a second view: one view is taken whole
        use_cache=True,
        logits_to_keep=1,
    )
    answer = conversation.yes if verdict else conversation.no
    model(
        input_ids=torch.tensor([[answer]], device=device),
        past_key_values=said.past_key_values,
        use_cache=True,
        logits_to_keep=1,
    )
    return float(said.logits[0, -1].float().softmax(-1)[conversation.yes])
