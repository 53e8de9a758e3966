"""Which devices there are, and what a measurement ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from ..errors import UserError


def accelerator() -> str | None:
    """The kind of accelerator that torch can use here ("cuda", "mps", "xpu", ...), None where there is none."""
    return torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else None


def device_of(asked: str) -> str:
    """``asked``, a device's name as torch has it. Raises UserError where it is no name, or names what is not here."""
    kind = accelerator()
    here = ["cpu"] + ([kind, *(f"{kind}:{index}" for index in range(torch.accelerator.device_count()))] if kind else [])
    try:
        device = torch.device(asked)
    except RuntimeError:  # torch knows no such name
        raise UserError(f"{ascii(asked)[:40]} is no device. Leave it out, or use {', '.join(here)}.") from None
    if str(device) not in here:
        what = f"There is no {asked} here" if kind else f"There is no accelerator here, so {asked} cannot be used"
        raise UserError(f"{what}. Leave the device out, or use {', '.join(here)}.")
    return str(device)


def capability(device: str) -> tuple[int, int] | None:
    """NVIDIA's compute capability of a device; None for others, and where torch cannot use it."""
    nvidia = torch.device(device).type == "cuda" == accelerator() and torch.version.hip is None
    return torch.cuda.get_device_capability(device) if nvidia else None


def half_pays(device: str | torch.device) -> bool:
    """Whether bfloat16 is computed there at all: processors without it emulate it, at a tenth of float32's speed."""
    return torch.device(device).type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def lessons_autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where it pays, for what training only learns from: no figure comes of it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device))


def describe(device: str = "cpu") -> dict[str, object]:
    """Processor, cores this process may use, threads, accelerator where one is used, and versions."""
    hardware: dict[str, object] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.startswith("cuda"):
        hardware["gpu"] = torch.cuda.get_device_name(device)
    return hardware


def in_words(hardware: dict[str, object]) -> str:
    words = [hardware["gpu"]] if "gpu" in hardware else []
    words += [hardware["processor"], f"{hardware['threads']} threads on {hardware['cores']} cores"]
    return ", ".join([*words, f"torch {hardware['torch']}"])


def _processor() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
