"""What a measurement ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


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
