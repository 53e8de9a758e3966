"""Earlier name of ``schedule``; it goes with the renaming of what uses it."""

from .schedule import ANNEALINGS, SCHEDULES, mask_ratio, masked_counts, temperatures

__all__ = ["ANNEALINGS", "SCHEDULES", "mask_ratio", "masked_counts", "temperatures"]
