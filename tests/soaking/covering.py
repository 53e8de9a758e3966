"""Part ``coverage``: the share of the package's lines that the tests run, by the package ``coverage`` where that is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from . import ROOT
from .figures import Budget, Report

LINES = 92  # of 100
# lines that pytest's workers run count, and those of the programs that tests start
SETTINGS = "[run]\nsource = cotdemo\nparallel = true\npatch = subprocess\n"


def soak(budget: Budget) -> Report:
    """All tests at full scale, where the figure is asked for; below it those of one file, to see that it works."""
    report = Report()
    if find_spec("coverage") is None:
        report.add("lines", None, note="left out: the package coverage is not installed")
        return report
    whole = budget.scale >= 1
    with TemporaryDirectory(prefix="cotdemo-coverage-") as folder:
        settings = Path(folder) / "settings"
        settings.write_text(SETTINGS, encoding="ascii")
        environment = os.environ | {"COVERAGE_FILE": str(Path(folder) / "data"), "COVERAGE_RCFILE": str(settings)}
        cover = [sys.executable, "-m", "coverage"]
        tests = ["-m", "pytest", "-q", *([] if whole else ["-n", "0", "tests/test_stopping.py"])]
        try:
            ran = subprocess.run(
                [*cover, "run", *tests], cwd=ROOT, env=environment, timeout=max(60, budget.left),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            report.add("lines", None, least=LINES, unit="%", note="the tests did not come to their end in this time")
            return report
        for then in (["combine", "-q"], ["json", "-q", "-o", f"{folder}/told.json"]):
            subprocess.run([*cover, *then], cwd=ROOT, env=environment, check=True)
        told = json.loads((Path(folder) / "told.json").read_text())
    if ran.returncode:
        report.notes.append(ran.stdout[-2000:])
    asked = {"least": LINES} if whole else {"note": "by the tests of one file"}
    report.add("lines", told["totals"]["percent_covered"], unit="%", **asked)
    report.add("tests that failed", float(ran.returncode != 0), most=0)
    return report
