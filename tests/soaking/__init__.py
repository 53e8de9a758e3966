"""What ``python tests/soak.py`` runs: one module for each part, every part a function from a budget to its figures.

All of it stays on this machine: servers listen on loopback, and nothing is fetched. ``figures`` has what parts are
asked for and how they answer; ``tests/test_soak.py`` runs each in small.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]  # of the repository
