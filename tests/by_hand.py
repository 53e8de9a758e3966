"""For what is started by hand, ``python tests/NAME.py``: to import this is to find the package in its repository."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
