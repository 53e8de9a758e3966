"""``python -m cotdemo``: see ``cotdemo.cli``."""

import sys

from .cli import main

sys.exit(main())
