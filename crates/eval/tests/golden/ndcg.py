"""Writes ndcg.json beside this script: nDCG of synthetic rankings by LightGBM.

    python3 -m venv VENV && VENV/bin/pip install lightgbm==4.7.0 numpy==2.4.6
    VENV/bin/python crates/eval/tests/golden/ndcg.py

LightGBM evaluates the initial scores of a data set, before any tree. Its gains are
2^grade - 1 unless `label_gain` lists others; here the gains are the grades. No two scores of
a ranking are equal, since LightGBM keeps ties in their input order.
"""

import json
import pathlib
import random

import lightgbm
import numpy as np

HERE = pathlib.Path(__file__).parent
CUTOFFS = [1, 3, 5, 10, 100]


def ndcg(scores, grades):
    parameters = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": CUTOFFS,
        "label_gain": [0, 1, 2, 3, 4],
        "min_data_in_leaf": 1,
        "verbosity": -1,
    }
    features = np.arange(len(scores), dtype=float).reshape(-1, 1)
    data = lightgbm.Dataset(features, label=grades, group=[len(scores)], init_score=scores, params=parameters)
    booster = lightgbm.Booster(parameters, data)
    return [value for _, _, value, _ in booster.eval_train()]


def main():
    draws = random.Random(7)
    rankings = []
    for number in range(20):
        n = draws.randint(2, 40)
        # The last two have no relevant document.
        largest = 4 if number < 18 else 0
        grades = [min(largest, draws.choice([0, 0, 0, 0, 1, 1, 2, 3, 4])) for _ in range(n)]
        scores = draws.sample([at / 64 for at in range(-640, 640)], n)
        rankings.append({"scores": scores, "grades": grades, "ndcg": ndcg(scores, grades)})
    golden = {"lightgbm": lightgbm.__version__, "cutoffs": CUTOFFS, "rankings": rankings}
    (HERE / "ndcg.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


main()
