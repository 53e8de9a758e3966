"""``python -m cotdemo eval --variants --method adaptive``: adaptive best of N by how sure of an image is enough.

Each threshold stands beside the ORM that paints all paths, and beside the ORM that is given the same compute. The
lowest one that reaches an accuracy that is wanted is the one to take: on dev, as test is for measuring it. The last two
columns tell how P(yes) is calibrated there: how often the judge was that sure, and how often it was right then.
"""

from __future__ import annotations

import argparse
from statistics import mean

from ..backends import MiniBackend
from ..settings import PATHS, whole
from .entries import select
from .ladder import Measured, at_compute, means, replays
from .pool import FOLDER, Maker, Pool, fill
from .records import say
from .report import RULES, begun
from .results import values
from .runner import replay
from .variants import lines

THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
SPARE = 2  # paths: waves cost a little more than all paths at once, which the ORM at their compute is given too


def main(options: argparse.Namespace, backend: MiniBackend) -> None:
    """Every threshold, of at most ``--paths`` paths (20)."""
    paths = whole("paths", options.paths or 20, PATHS[0], PATHS[1] - SPARE)
    pool = Pool(backend, options.model, options.split, options.seed, folder=FOLDER)
    entries = select([entry.metadata for entry in pool.entries], options.limit)
    fill(Maker(pool, paths + SPARE, ["orm"]), entries, say)
    orms = replays(pool, entries, "orm")
    whole_orm = Measured.of(orms(paths))
    heading = f"of {paths} paths, GenEval and strict"
    print(f"{heading:<38}  right  {'less ORM':<23}  less ORM at its compute  GFLOP  painted  sure   right then")
    for enough in THRESHOLDS:
        records = [replay(pool, entry, "adaptive", paths, enough=enough) for entry in entries]
        measured = Measured.of(records)
        operations = sum(means(records)["operations"].values())
        others = [whole_orm, at_compute(orms, operations, paths + SPARE)]
        right, *less = ({rule: values(one.as_dict(), rule) for rule in RULES} for one in (measured, *others))
        sure = [record.final for record in records if record.final.outcome().p_yes >= enough]
        then = [f"{mean(map(is_right, sure)):.3f}" if sure else "-" for is_right in RULES.values()]
        spent = f"{operations / 1e9:5.0f}  {begun(records):7.1f}  {len(sure) / len(records):.3f}"
        ends = [f"{spent}  {then[0]}", f"{'':{len(spent)}}  {then[1]}"]
        for line in lines(f"P(yes) {enough:g} is enough", right, less, entries, ends):
            print(line, flush=True)
