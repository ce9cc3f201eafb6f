"""One contestant of `cargo xtask bench tuning`: ranx's optimize_fusion.

    python tuning.py JOB.json

Reads the runs and judgments that our contestant wrote, has numba compile everything
by one run of the work, and says "ready" in a line of JSON. Then "run" is answered by
the milliseconds of the work, "scores" by the weights and the mean of every weighting
that was tried last. Reading is no part of the work, normalizing is.
"""

import contest  # before the libraries, which print

import json
import os
import re
import sys
import time
from importlib.metadata import version

import numba
from ranx import Qrels, Run, optimize_fusion

RUNS = ["bm25", "dense", "cross"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    path = lambda name: os.path.join(job["folder"], name)
    qrels = Qrels.from_file(path("qrels.txt"), kind="trec")
    runs = [Run.from_file(path(f"{name}.trec"), kind="trec") for name in RUNS]

    def work():
        return optimize_fusion(
            qrels,
            runs,
            norm="min-max",
            method="wsum",
            metric="ndcg@10",
            step=job["step"],
            show_progress=False,
            return_optimization_report=True,
        )

    def run():
        nonlocal report
        start = time.perf_counter()
        _, report = work()
        return (time.perf_counter() - start) * 1000

    def scores():
        weights = [[float(number) for number in NUMBER.findall(config)] for config in report.configs]
        return [row + [float(mean)] for row, mean in zip(weights, report.results)]

    # numba compiles what it meets for the first time, in this process or ever.
    _, report = work()
    settings = f"wsum, min-max, {numba.get_num_threads()} threads"
    contest.serve(
        {"settings": settings, "versions": {"ranx": version("ranx"), "numba": numba.__version__}},
        {"run": run, "scores": scores},
    )


# A configuration is the text of a tuple, in which NumPy 2 names the type of each number.
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?")

if __name__ == "__main__":
    main()
