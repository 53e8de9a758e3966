"""What GenEval's scorer costs at full size, on weights at random: ``python tests/scorer_cost.py [--threads 1]``.

Seconds of one image of 512 x 512 pixels and of the colour of one thing in it, by the wall and of the processor (which
others that compute there lengthen less), operations of matrix products and convolutions, and the most memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import by_hand  # noqa: F401  # before the package
import numpy as np
import torch
from peak_memory import peak_of
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel, Mask2FormerConfig

from cotdemo.geneval import network
from cotdemo.geneval.colours import Colours
from cotdemo.geneval.detections import Detection
from cotdemo.geneval.prompts import metadata
from cotdemo.geneval.scorer import Scorer

SIDE = 512
VISION = {  # of openai/clip-vit-large-patch14
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 14, "hidden_act": "quick_gelu", "projection_dim": 768,
}  # fmt: skip
TEXT = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "hidden_act": "quick_gelu", "projection_dim": 768, "eos_token_id": 2,
}  # fmt: skip


def scorer() -> Scorer:
    detector = network.Mask2Former(Mask2FormerConfig(**network.OFFICIAL)).eval().requires_grad_(False)
    clip = CLIPModel(CLIPConfig(projection_dim=768, vision_config=VISION, text_config=TEXT)).eval()
    return Scorer(detector, Colours(clip.requires_grad_(False), _tokens))


def _tokens(texts: list[str]) -> dict[str, torch.Tensor]:
    """As many as a template with a colour and a kind has, the last one an end."""
    ids = torch.full((len(texts), 12), 320)
    ids[:, -1] = 49407
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def timed(what: str, work: Callable[[], object]) -> None:
    wall, own = time.perf_counter(), time.process_time()
    work()
    print(f"{what}: {time.perf_counter() - wall:.1f} s, {time.process_time() - own:.1f} s of the processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    entry = metadata("single_object", [{"class": "dog", "count": 1}])
    thing = Detection("dog", 1.0, (64.0, 64.0, 448.0, 448.0), np.ones((SIDE, SIDE), bool))

    def work() -> None:
        whole = scorer()
        with FlopCounterMode(display=False) as counted:
            whole.look(entry, image)
        print(f"{counted.get_total_flops() / 1e12:.2f} TFLOP an image")
        timed("an image", lambda: whole.look(entry, image))
        with network.exact():
            timed("a thing's colour", lambda: whole.colours.of(Image.fromarray(image), [thing], "dog"))

    _, most = peak_of(work, every=0.05)
    print(f"{most / 1e9:.1f} GB of memory at most")


if __name__ == "__main__":
    main()
