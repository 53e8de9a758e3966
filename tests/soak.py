"""What the product withstands, by figures: ``python tests/soak.py [PART ...] [--minutes M] [--json FILE]``.

Each part runs in a process of its own, on this machine alone (servers listen on loopback), for ``--minutes`` at most,
and prints one row: what was reached, and what is asked. The exit status is 1 where a figure is not reached, or a part
broke off. ``--scale 0.01`` does a hundredth of everything; what is asked for in counts shrinks with it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from soaking.figures import Budget, Report  # noqa: E402  # found by the line above

PARTS = {  # by name: the module of ``soaking`` whose ``soak`` it is, and what it is in a line
    "clients": ("clients", "30 at once, three rounds: own result or clear words"),
    "runs": ("runs", "finishes, cancels, drops, closed sessions: what is left of them"),
    "fuzz": ("fuzzing", "traces, images, links, calls by hypothesis and a coverage-guided fuzzer"),
    "request": ("bodies", "bad bodies: the memory that one can add, and how long the loop stands still"),
    "faults": ("faults", "faults at every phase; the next run is fine"),
    "mutations": ("mutating", "sixty ways to break the code; do the tests notice?"),
    "coverage": ("covering", "lines of the package that the tests run"),
}
GRACE = 120.0  # seconds beyond its time in which a part may come to its end by itself


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about = "; ".join(f"{name}: {what}" for name, (_, what) in PARTS.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"by default all. {about}")
    parser.add_argument("--minutes", type=float, default=15.0, help="for each part, at most")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of everything, 1 for what is asked for")
    parser.add_argument(
        "--only", default="", help="of the mutations those with one of these words in name, file or tests, by commas"
    )
    parser.add_argument("--json", type=Path, help="a file for the figures; what it has of other parts stays")
    asked = parser.parse_args(arguments)
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by which the part under way is ended, too
    reports: dict[str, Report] = {}
    others = json.loads(asked.json.read_text())["parts"] if asked.json and asked.json.exists() else {}
    for part in asked.parts or PARTS:
        report = reports[part] = apart(part, 60 * asked.minutes, asked.scale, asked.only)
        print(row(part, report), *(f"    {note}" for note in report.notes), sep="\n", flush=True)
        if asked.json:
            content = json.dumps({"parts": others | told(reports, asked.scale)}, indent=1)
            asked.json.write_text(content + "\n", encoding="utf-8")
    return 0 if all(report.ok for report in reports.values()) else 1


def row(part: str, report: Report) -> str:
    figures = " · ".join(map(str, report.figures)) or "broke off"
    return f"{part:<10} {'ok' if report.ok else 'FAILS':<6} {figures} · {report.seconds:.0f} s"


def told(reports: dict[str, Report], scale: float) -> dict[str, object]:
    """JSON-safe: the figures of each part, and what they were measured on."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    measured = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "scale": scale}
    return {part: {**measured, **report.as_dict()} for part, report in reports.items()}


def apart(part: str, seconds: float, scale: float, only: str) -> Report:
    """The report of a part that runs in a process, and a group of processes, of its own; none outlives it."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    begun = time.monotonic()
    child = multiprocessing.get_context("spawn").Process(
        target=_part, args=(theirs, PARTS[part][0], seconds, scale, only)
    )
    child.start()
    theirs.close()
    try:
        report = ours.recv() if ours.poll(seconds + GRACE) else Report(notes=["It did not come to its end."])
    except EOFError:
        child.join(5)
        report = Report(notes=[f"Its process ended with status {child.exitcode}."])
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)  # with whatever it has left running
        except (ProcessLookupError, PermissionError):
            child.kill()
        child.join()
    report.seconds = time.monotonic() - begun
    return report


def _part(answer, module: str, seconds: float, scale: float, only: str) -> None:
    os.setsid()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        report = importlib.import_module(f"soaking.{module}").soak(Budget(seconds, scale, only))
    except BaseException:
        report = Report(notes=[traceback.format_exc()])
    answer.send(report)
    answer.close()


if __name__ == "__main__":
    sys.exit(main())
