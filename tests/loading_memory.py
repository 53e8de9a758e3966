"""Peak memory of loading checkpoints of full width: ``python tests/loading_memory.py [--gigabytes 10] [--folder DIR]``.

A judge in the released layout, as many layers as make a checkpoint of that size, in shards of bfloat16; and the whole
1.3B Show-o in one file of single precision, loaded as bfloat16 as on a GPU. Weights are constants: loading does not
read them. Each is loaded by a process of its own, which watches its anonymous memory (peak_memory.py).
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import by_hand  # noqa: F401  # before the package
import torch
from peak_memory import run_apart
from safetensors.torch import save_file

from cotdemo.generator.showo import Showo

SHARD = 5e9
DATA = Path(__file__).parent / "data"

LOAD = """
import sys, time, torch
from pathlib import Path
from cotdemo.generator.showo import Showo
from cotdemo.verifiers.checkpoint import load_model
from peak_memory import peak_of

kind, folder = sys.argv[1], Path(sys.argv[2])
load = {
    "judge": lambda: load_model(folder, torch.bfloat16),
    "showo": lambda: Showo.from_pretrained(folder, torch_dtype=torch.bfloat16),
}[kind]
began = time.perf_counter()
model, peak = peak_of(load)
seconds = time.perf_counter() - began
size = sum(value.nbytes for value in {v.data_ptr(): v for v in model.state_dict().values()}.values())
print(size, peak, seconds)
"""


def write_judge(folder: Path, size: float) -> None:
    """Weights as the released PARM's, but of some layers of its language model only: about ``size`` bytes."""
    described = json.loads((DATA / "llava_parm_keys.json").read_text(encoding="utf-8"))
    shapes = described["state_dict"]
    in_layer = {name: int(name.split(".")[2]) for name in shapes if name.startswith("model.layers.")}
    bytes_of = {name: 2 * math.prod(shape) for name, shape in shapes.items()}
    rest = sum(count for name, count in bytes_of.items() if name not in in_layer)
    each = sum(count for name, count in bytes_of.items() if in_layer.get(name) == 0)
    layers = max(1, min(28, round((size - rest) / each)))
    config = described["config_used"] | {"num_hidden_layers": layers, "model_type": "llava_qwen"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shards: list[dict[str, torch.Size]] = [{}]
    for name, shape in shapes.items():
        if in_layer.get(name, 0) < layers:
            if sum(bytes_of[one] for one in shards[-1]) > SHARD:
                shards.append({})
            shards[-1][name] = shape
    for number, shard in enumerate(shards):
        tensors = {name: torch.full(shape, 0.01, dtype=torch.bfloat16) for name, shape in shard.items()}
        save_file(tensors, folder / f"model-{number:05}.safetensors", metadata={"format": "pt"})


def write_showo(folder: Path) -> None:
    with torch.device("meta"):
        model = Showo()
    state = {name: torch.full(value.shape, 0.01) for name, value in model.state_dict().items()}
    model.save_config(folder)
    save_file(state, folder / "pytorch_model.safetensors", metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=10.0, help="size of the judge's checkpoint (10)")
    parser.add_argument("--folder", type=Path, help="where the checkpoints are written for the time being")
    options = parser.parse_args()
    for kind, write in (("judge", lambda folder: write_judge(folder, options.gigabytes * 1e9)), ("showo", write_showo)):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            write(Path(name))
            on_disk = sum(file.stat().st_size for file in Path(name).iterdir())
            size, peak, seconds = map(float, run_apart(LOAD, kind, name).split())
        print(
            f"{kind}: {on_disk / 1e9:.1f} GB on the disk, {size / 1e9:.1f} GB of weights; peak {peak / 1e9:.1f} GB, "
            f"{100 * max(peak / size - 1, 0):.0f}% above them; {seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
