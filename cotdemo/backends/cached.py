"""What of a place of the Hub lies on this disk, and what of it misses. Without a network, and nothing is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from huggingface_hub import HFCacheInfo, scan_cache_dir
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.file_download import repo_folder_name

from ..compute.weights import weight_files
from .hub import PIPELINE_INDEX, Place

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("tokenizer.model",))  # any of these will do


@dataclass(frozen=True)
class Held:
    """What is here of a place: the folder with it, its bytes, and what is still missing, in words."""

    folder: Path | None
    bytes: int
    missing: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return self.folder is not None and not self.missing


class Shelf:
    """Where repositories lie: the Hub's cache, or a folder ``root`` that holds them as ``owner/name``."""

    def __init__(self, root: Path | None = None):
        self.root = root
        self.cache = Path(HF_HUB_CACHE)

    @cached_property
    def scan(self) -> HFCacheInfo | None:
        """The Hub's own look at its cache; None where there is none yet. Raises ValueError where it is no folder."""
        try:
            return scan_cache_dir(self.cache)
        except CacheNotFound:
            return None

    def held(self, place: Place, tokenizer: bool, weights: bool = True) -> Held:
        """What is here of ``place``, which is to have a ``tokenizer``, or ``weights`` and their configuration."""
        folder = self._folder(place)
        if folder is None:
            return Held(None, 0, ())
        sizes = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
        missing = [*(_without_weights(folder, sizes) if weights else ()), *(_without_words(sizes) if tokenizer else ())]
        return Held(folder, sum(sizes.values()), tuple(missing))

    def pipeline(self, place: Place) -> Held:
        """What is here of a diffusers pipeline: its index, and a folder with files for each part that it names."""
        folder = self._folder(place)
        if folder is None:
            return Held(None, 0, ())
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        try:
            index = json.loads((folder / PIPELINE_INDEX).read_text(encoding="utf-8"))
            parts = [name for name, source in index.items() if isinstance(source, list) and source and source[0]]
        except (OSError, ValueError, AttributeError):
            return Held(folder, size, (PIPELINE_INDEX,))
        return Held(folder, size, tuple(name for name in parts if not any(folder.glob(f"{name}/*"))))

    def _folder(self, place: Place) -> Path | None:
        """The folder that would be loaded: in the cache that of the main branch as it was downloaded last."""
        if self.root is not None:
            base: Path | None = self.root / place.repository
        else:
            main = [
                repository.refs["main"].snapshot_path
                for repository in (self.scan.repos if self.scan else ())
                if (repository.repo_id, repository.repo_type) == (place.repository, "model")
                and "main" in repository.refs
            ]
            base = main[0] if main else None
        folder = base / (place.folder or "") if base else None
        return folder if folder and folder.is_dir() else None

    def unfinished(self, repository: str) -> int:
        """Bytes of a repository's downloads that did not end, from which the next ones go on."""
        if self.root is not None:
            return 0
        blobs = self.cache / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
        return sum(file.stat().st_size for file in blobs.glob("*.incomplete"))


def _without_weights(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    missing = [] if "config.json" in sizes else ["config.json"]
    files = weight_files(folder)
    if not files:
        return [*missing, "weights"]
    shards = {match["stem"] + match["suffix"]: match for file in files if (match := _SHARD.fullmatch(file.name))}
    for match in shards.values():
        names = (
            f"{match['stem']}-{number:05d}-of-{match['count']}{match['suffix']}"
            for number in range(1, int(match["count"]) + 1)
        )
        missing += [name for name in names if name not in sizes]
    return missing + [f"{file.name} (it is empty)" for file in files if not sizes.get(file.name)]


def _without_words(sizes: Mapping[str, int]) -> list[str]:
    return [] if any(sizes.keys() >= set(files) for files in _TOKENIZERS) else ["tokenizer.json"]
