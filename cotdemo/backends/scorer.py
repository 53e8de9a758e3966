"""Where GenEval's scorer has its weights from; it is tested before anybody is given it.

``python -m cotdemo geneval prompts DIR | score DIR``: the benchmark's official files, and its score of images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from ..compute.hardware import accelerator, device_of
from ..errors import UserError
from ..fields import among
from ..files import check_writable
from ..geneval import network, self_test
from ..geneval.colours import Colours
from ..geneval.folder import samples
from ..geneval.prompts import write
from ..geneval.scorer import Scorer
from ..geneval.scoring import RESULTS, score_rest
from ..geneval.verdict import APPROXIMATE, OFFICIAL
from ..run.narration import say
from .hub import Place, Tell, fetch

CLIP = Place("openai/clip-vit-large-patch14")
FACEBOOK = Place("facebook/mask2former-swin-small-coco-instance")  # of another training: other weights, other scores
DETECTOR_BYTES, CLIP_BYTES = 4 * 0.069e9, 4 * 0.428e9  # in single precision, as files and in memory
BYTES = DETECTOR_BYTES + CLIP_BYTES
DETECTORS: Mapping[str, str] = {
    OFFICIAL: "GenEval's own weights",
    APPROXIMATE: f"{FACEBOOK}, whose scores differ from GenEval's",
}

_INSTEAD = "bring it by other means, to DIR/owner/name, and name that folder: --assets DIR"


def load_scorer(
    detector: str = OFFICIAL,
    device: str | None = None,
    root: Path | None = None,
    weights: Path | None = None,
    tell: Tell = lambda words: None,
) -> Scorer:
    """A scorer that has passed its self-test, on an accelerator where there is one.

    ``weights`` is the file of the official detector; without it, it is looked for in ``root``, a folder that also holds
    repositories of the Hub as ``owner/name``, or downloaded, as is CLIP. ``tell`` hears, in words, what is going on.

    Raises UserError where something cannot be loaded or the self-test fails.
    """
    among("detector", detector, DETECTORS)
    if weights is not None and detector != OFFICIAL:
        raise UserError("A file of weights is the official detector's: leave it out, or --detector approximate.")
    device = device_of(device or accelerator() or "cpu")
    self_test.arithmetic(device)  # before anything is downloaded
    tell(f"the arithmetic of {device} is as it should be")
    if detector == OFFICIAL:
        file = weights or _official(root, tell)
        found = network.official(network.official_weights(file))
        name = OFFICIAL if network.is_official(file) else f"weights of {file.name}, which is not GenEval's file"
    else:
        found = network.approximate(fetch(FACEBOOK, root, tell=tell, instead=_INSTEAD))
        name = f"{APPROXIMATE}: {FACEBOOK}, not GenEval's own weights"
    scorer = Scorer(found, Colours.from_folder(fetch(CLIP, root, tell=tell, instead=_INSTEAD)), device, name)
    tell(self_test.known(scorer.network, scorer.colours))
    return scorer


def official_file(root: Path | None = None) -> Path:
    """Where the official detector's file lies, or is to lie: in ``root``, or in torch's own cache."""
    return (root or Path(torch.hub.get_dir(), "checkpoints")) / network.OFFICIAL_FILE


def _official(root: Path | None, tell: Tell) -> Path:
    """The official detector's file, downloaded once into torch's own cache. Raises UserError where it cannot be had."""
    file = official_file(root)
    if not file.is_file():
        if root is not None:
            raise UserError(f"{file} is missing; it is at {network.OFFICIAL_URL}")
        tell(f"downloading {network.OFFICIAL_FILE}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                network.OFFICIAL_URL, str(file), network.OFFICIAL_SHA256, progress=sys.stderr.isatty()
            )
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"GenEval's detector could not be downloaded ({str(error)[:200]}). Bring {network.OFFICIAL_URL} by "
                f"other means, as {file}; or take the {APPROXIMATE} detector."
            ) from error
    return file


# -- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=("prompts", "score"), help="prompts: write the two official files; score: judge images")
    add("folder", type=Path, metavar="DIR", help="where the files go, or images are in GenEval's folder layout")
    add("--out", type=Path, metavar="FILE", help="result lines, which it also goes on from (DIR/results.jsonl)")
    add("--detector", default=OFFICIAL, help="official (default) | approximate: facebook's weights, other scores")
    add("--weights", type=Path, metavar="FILE", help="the official detector's .pth, if it is here")
    add("--assets", type=Path, metavar="DIR", help="a folder with that file and the Hub's repositories")
    add("--device", help="cpu, cuda, cuda:1, mps, xpu, ...; by default an accelerator if there is one")


def main(options: argparse.Namespace) -> None:
    """``python -m cotdemo geneval``."""
    if options.what == "prompts":
        for file in write(options.folder):
            print(f"{file}: {file.stat().st_size:,} bytes", flush=True)
        return
    score(options)


def score(options: argparse.Namespace) -> None:
    """Score a folder's images, or those that have no result yet, and sum all results up."""
    images = samples(options.folder)
    file = options.out or options.folder / RESULTS
    check_writable(file.parent)

    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # weights are read in a moment; downloads still show how far they are
    scorer = load_scorer(options.detector, options.device, options.assets, options.weights, say)
    score_rest(file, images, scorer)
