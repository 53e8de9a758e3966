"""``python -m cotdemo eval --variants --method adaptive``: adaptive best of N by how sure of a picture is enough.

Each threshold stands beside the ORM that paints all paths, and beside the ORM that is given the same compute. The
lowest one that reaches an accuracy that is wanted is the one to take: on dev, as test is for measuring it. The last two
columns tell how P(yes) is calibrated there: how often the judge was that sure, and how often it was right then.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import mean

from ..backends import MiniBackend
from ..settings import PATHS, whole
from .entries import Entry, select
from .ladder import Measured, at_compute, means, replays
from .pool import FOLDER, Maker, Pool, fill
from .records import Record, say
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
    heading = f"P(yes) of a picture, of {paths} paths"
    print(f"{heading:<38}  right  {'less ORM':<23}  less ORM at its compute  GFLOP  painted  sure   right then")
    for enough in THRESHOLDS:
        records = [replay(pool, entry, "adaptive", paths, enough=enough) for entry in entries]
        measured = Measured.of(records)
        operations = sum(means(records)["operations"].values())
        others = [whole_orm, at_compute(orms, operations, paths + SPARE)]
        right, *less = ({rule: values(one.as_dict(), rule) for rule in RULES} for one in (measured, *others))
        ends = [f"{operations / 1e9:5.0f}  {begun(records):7.1f}  {end}" for end in _then(records, entries, enough)]
        for line in lines(f"{enough:g} is enough", right, less, entries, ends):
            print(line, flush=True)


def _then(records: Sequence[Record], entries: Sequence[Entry], enough: float) -> list[str]:
    """By both rules, how often the judge was sure enough, and of those how often it was right."""
    sure = [record for record in records if record.final.outcome().p_yes >= enough]
    told = f"{len(sure) / len(entries):.3f}"
    return [f"{told}  {mean(map(of, (one.final for one in sure))):.3f}" if sure else told for of in RULES.values()]
