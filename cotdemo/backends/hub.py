"""Folders of the Hub, or of a disk: what is needed of one, downloaded once, with progress, and with errors in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils import tqdm

from ..errors import INSTEAD, UserError

Tell = Callable[[str], None]

TEXTS = ("*.json", "merges.txt", "vocab.txt", "tokenizer.model")  # configs and tokenizers
SAFE, PICKLED = "*.safetensors", "*.bin"  # weights: the second kind only where there is none of the first

PIPELINE_INDEX = "model_index.json"
PIPELINE = (PIPELINE_INDEX, "*/*.json", "*/*.txt", "*/*.model", "*/*.safetensors")
OTHER_FORMATS = ("*.fp16*", "vae_1_0/*")  # the same weights once more


def is_zero_gpu() -> bool:
    """Whether this is a Space whose GPU is lent for one call at a time (``cotdemo.ui.zero_gpu``)."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


@dataclass(frozen=True)
class Place:
    """A repository of the Hub, or a folder in one."""

    repository: str  # owner/name
    folder: str | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.repository, self.folder)))

    def files(self, patterns: Sequence[str]) -> list[str]:
        """Patterns of files right in this place; ``*`` of the Hub also matches folders, so others are left out."""
        return [f"{self.folder}/{pattern}" if self.folder else pattern for pattern in patterns]


def fetch(
    place: Place,
    root: Path | None = None,
    weights: bool = True,
    tell: Tell = lambda words: None,
    instead: str = INSTEAD,
) -> Path:
    """The local folder with a place's config, tokenizer and, with ``weights``, its weights; nothing else is downloaded.

    ``root`` is a folder that holds repositories as ``owner/name``, in place of the Hub. ``tell`` hears, in words, how
    far a download is. What lies in the Hub's cache needs no network. Raises UserError, which says what to do, and
    what ``instead``.
    """
    if root is not None:
        local = root / str(place)
        if not local.is_dir():
            raise UserError(f"{local} is missing: {root} is to hold the repositories of the Hub as owner/name.")
        return local
    with in_words(str(place), instead):
        local = _download(place, (*TEXTS, SAFE) if weights else TEXTS, tell)
        if weights and not any(local.glob(SAFE)):
            local = _download(place, (PICKLED,), tell)
        return local


def fetch_pipeline(place: Place, root: Path | None = None, tell: Tell = lambda words: None) -> Path:
    """The local folder of a pipeline in diffusers' layout, a folder for each part; as ``fetch``. Raises UserError."""
    if root is not None:
        return fetch(place, root)
    with in_words(str(place), "leave this model out, or name a folder that holds it as owner/name: --assets DIR"):
        return _download(place, PIPELINE, tell, OTHER_FORMATS)


def _download(place: Place, patterns: Sequence[str], tell: Tell, ignored: Sequence[str] | None = None) -> Path:
    if ignored is None:
        ignored = [] if place.folder else ["*/*"]  # a whole repository may have other models in folders
    downloaded = snapshot_download(
        place.repository, allow_patterns=place.files(patterns), ignore_patterns=list(ignored),
        tqdm_class=_bar(place, tell),
    )  # fmt: skip
    return Path(downloaded, place.folder or "")


def _bar(place: Place, tell: Tell) -> type[tqdm]:
    """The Hub's progress bar for a terminal, which also tells."""

    class Bar(tqdm):
        def __init__(self, *arguments, **options):
            self._counts = options.get("name") == "huggingface_hub.snapshot_download"  # that of the bytes written
            self._bytes = options.get("initial") or 0
            super().__init__(*arguments, **options)

        def update(self, n: float | None = 1) -> bool | None:
            if self._counts and self.total:
                self._bytes += n or 0
                tell(f"downloading {place}: {self._bytes / 1e9:.1f} of {self.total / 1e9:.1f} GB")
            return super().update(n)

    return Bar


@contextmanager
def in_words(what: str, instead: str = INSTEAD) -> Iterator[None]:
    """Turn what goes wrong in a download into a UserError that says what to do."""
    try:
        yield
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        raise UserError(f"{what} could not be downloaded: {_cause(error)}. Or {instead}.") from error


def _cause(error: Exception) -> str:
    if isinstance(error, GatedRepoError):
        return (
            "its owners want to know who asks, and their licence accepted. Ask for access on its page at "
            "huggingface.co, and log in: hf auth login"
        )
    if isinstance(error, RepositoryNotFoundError):
        return "there is no such repository, or it is private. If you may see it, log in: hf auth login"
    if getattr(error, "errno", None) == errno.ENOSPC:
        return (
            "the disk is full. Make room, or let HF_HOME name a folder on another disk; a download goes on where it was"
        )
    if getattr(error, "errno", None) in (errno.EACCES, errno.EROFS):
        return f"{error.filename} cannot be written. Let HF_HOME name a folder that can"
    if isinstance(error, LocalEntryNotFoundError):
        return "it is not in the cache, and the Hub cannot be reached. Check the network, or bring the cache (HF_HOME)"
    return f"{type(error).__name__}. Check the network; a download goes on where it was"
