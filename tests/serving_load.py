"""Runs a second of the endpoints that Ray Serve serves: ``python tests/serving_load.py``, while they are served.

PARM with 8 paths on one prompt and 24 seeds, asked for by one, two and four clients at once.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from statistics import mean

RUNS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8000/generate")
    url = parser.parse_args().url

    def generate(seed: int) -> tuple[int, float]:
        """The replica that answered, and how long it took."""
        asked = json.dumps({"prompt": "a photo of two red apples", "paths": 8, "seed": seed}).encode()
        begun = time.perf_counter()
        with urllib.request.urlopen(urllib.request.Request(url, asked), timeout=120) as answer:
            return json.load(answer)["replica"], time.perf_counter() - begun

    _together(generate, 6)  # so that every replica has loaded
    for clients in (1, 2, 4):
        begun = time.perf_counter()
        answers = _together(generate, clients)
        replicas = len({replica for replica, _ in answers})
        rate, latency = RUNS / (time.perf_counter() - begun), mean(seconds for _, seconds in answers)
        print(f"{clients} clients: {rate:.2f} runs a second by {replicas} replicas, {latency:.2f} s each")


def _together(generate, clients: int) -> list[tuple[int, float]]:
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(generate, range(RUNS)))


if __name__ == "__main__":
    main()
