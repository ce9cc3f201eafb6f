"""Writes ranx.json beside this script: made-up runs, and what ranx makes of them.

    python3 -m venv VENV && VENV/bin/pip install ranx==0.3.21
    VENV/bin/python crates/fusion/tests/golden/make.py

Only what ranx does as we do is here. Under z-scores it gives a document that a run lacks
the run's mean, so there every run holds every document. A run of one document, or of
equal scores, is 0 after its min-max and 0.5 after ours, so there is none. Scores of one
run are distinct: ranx breaks ties by their order in the file.
"""

import json
import pathlib

import numpy as np
from ranx import Run, fuse

HERE = pathlib.Path(__file__).parent
DOCS = [f"d{i:02}" for i in range(30)]
SPREAD = [(12.0, 4.0), (0.5, 0.2), (-2.0, 5.0)]  # as of BM25, a cosine and a logit


def made_up(seed, is_complete):
    draw = np.random.default_rng(seed)
    runs = []
    for mean, deviation in SPREAD:
        run = {}
        for number in range(5):
            held = DOCS if is_complete else draw.choice(DOCS, draw.integers(2, 25), replace=False)
            scores = draw.normal(mean, deviation, len(held))
            run[f"q{number}"] = {str(d): float(s) for d, s in zip(held, scores)}
        runs.append(run)
    return runs


def case(name, seed, is_complete, weights, norm, method, params):
    runs = made_up(seed, is_complete)
    fused = fuse(
        [Run(run, name=str(i)) for i, run in enumerate(runs)],
        norm=norm, method=method, params=params,
    )
    fused = {query: dict(scores) for query, scores in fused.to_dict().items()}
    return {"normalizer": name, "weights": weights, "runs": runs, "fused": fused}


def sums(name, norm, seed, is_complete=False):
    weights = [0.2, 0.3, 0.5]
    return case(name, seed, is_complete, weights, norm, "wsum", {"weights": tuple(weights)})


golden = [
    sums("min-max", "min-max", 1),
    sums("linear-rank", "rank", 2),
    sums("z-score", "zmuv", 3, is_complete=True),
    case("rank:60", 4, False, [1.0, 1.0, 1.0], None, "rrf", {"k": 60}),
    case("rank:10", 5, False, [1.0, 1.0, 1.0], None, "rrf", {"k": 10}),
]
(HERE / "ranx.json").write_text(json.dumps(golden) + "\n")
