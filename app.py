"""The app: ``python app.py [--backend mini|show-o|show-o-512] [--device ...] [--port ...]``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from cotdemo.settings import BACKENDS


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch an image generator think, step by step.")
    parser.add_argument("--backend", choices=BACKENDS, default="mini", help="mini (default) runs on any CPU")
    parser.add_argument("--device", help="cpu, cuda, ...; by default a GPU where there is one")
    parser.add_argument("--assets", type=Path, help="other weights: as assets/mini, or the Hub's repositories")
    parser.add_argument("--port", type=int, help="by default 7860 or the next free one")
    options = parser.parse_args()

    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo(options.backend, device=options.device, weights=options.assets)
    demo.launch(server_port=options.port, mcp_server=find_spec("mcp") is not None, **launch_options())


if __name__ == "__main__":
    main()
