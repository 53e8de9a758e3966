"""Errors a user can cause and can mend; every message says what to do."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input or a missing file, in words the user can act on. Page, API and command line show it as it is."""


# what is always left to whoever cannot run a released model
INSTEAD = "use the embedded model: --backend mini, or on the page the link at its top"
MORE_MEMORY = f"End what else uses the GPU, take a larger one, or {INSTEAD}."

OUT_OF_MEMORY = "There is not enough memory for this. Choose fewer paths or fewer steps, or another device."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, has run out of memory. torch's errors are known by name: it is not imported."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("DefaultCPUAllocator", "can't allocate memory", "out of memory"))
    )
