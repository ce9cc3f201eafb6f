"""Writes the golden files beside this script: synthetic judgments and a run with many edge
cases, and the values of trec_eval for them.

    python3 -m venv VENV && VENV/bin/pip install pytrec-eval-terrier==0.5.11
    VENV/bin/python crates/eval/tests/golden/make.py

The run file also contains a repeated document and invalid lines. trec_eval refuses such a
file, so it gets the entries that a reader should keep.
"""

import pathlib
import random

import pytrec_eval

HERE = pathlib.Path(__file__).parent
MEASURES = {
    "nDCG@3": "ndcg_cut_3",
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "MRR": "recip_rank",
    "MAP": "map",
    "MAP@5": "map_cut_5",
    "Recall@5": "recall_5",
    "Recall@100": "recall_100",
    "P@5": "P_5",
    "P@30": "P_30",
    "Success@1": "success_1",
    "Success@5": "success_5",
    "NumRet": "num_ret",
    "NumRet(rel=1)": "num_rel_ret",
}
BINARY = ["MRR", "MAP", "MAP@5", "Recall@5", "P@5", "Success@1"]


def made_up():
    draw = random.Random(20)
    qrels, run = {}, {}
    for number in range(1, 25):
        query = f"q{number}"
        docs = [f"d{i}" for i in range(60)] + [f"Doc-{i}" for i in range(20)] + ["ä", "z"]
        judged = draw.sample(docs, draw.randint(8, 70))
        if number == 5:
            grades = [0, -1]  # nothing relevant
        elif number % 2:
            grades = [0, 0, 1]
        else:
            grades = [-2, -1, 0, 0, 0, 1, 2, 3, 5]
        qrels[query] = {doc: draw.choice(grades) for doc in judged}
        retrieved = draw.sample(docs, draw.randint(1, 80))
        if number % 3:  # few distinct scores, many ties
            run[query] = {doc: draw.randint(-3, 6) / 2 for doc in retrieved}
        else:
            run[query] = {doc: draw.gauss(0, 5) for doc in retrieved}
    del run["q7"]  # judged, without results
    del qrels["q8"]  # with results, not judged
    run["q9"] = {doc: 1.0 for doc in run["q9"]}  # ties only
    # Scores that are different in double and equal in single precision.
    run["q10"] = {doc: 1.0 + i * 1e-9 for i, doc in enumerate(run["q10"])}
    run["q11"] = {doc: 1e6 + i * 1e-3 for i, doc in enumerate(run["q11"])}
    return qrels, run


def main():
    qrels, run = made_up()
    with open(HERE / "qrels.txt", "w", encoding="utf-8") as out:
        for query, judged in qrels.items():
            for doc, grade in judged.items():
                out.write(f"{query} 0 {doc} {grade}\n")

    lines = [
        f"{query} Q0 {doc} {rank} {score!r} made-up"
        for query, docs in run.items()
        for rank, (doc, score) in enumerate(docs.items(), 1)
    ]
    repeated = lines[2].split()
    repeated[4] = "99"
    lines.insert(40, " ".join(repeated))
    lines.insert(60, "q1 Q0 d1 1 nan made-up")
    lines.insert(80, "q1 Q0 d1 1 2.0")
    lines.insert(100, "")
    (HERE / "run.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    with open(HERE / "expected.tsv", "w", encoding="utf-8") as out:
        for level in [1, 2]:
            evaluator = pytrec_eval.RelevanceEvaluator(
                qrels, set(MEASURES.values()), relevance_level=level
            )
            values = evaluator.evaluate(run)
            for name, measure in MEASURES.items():
                if level == 2 and name not in BINARY:
                    continue
                if level == 2:
                    head, at, cutoff = name.partition("@")
                    name = f"{head}(rel=2){at}{cutoff}"
                for query in sorted(qrels):
                    # trec_eval leaves out a query without results; with -c it counts as 0.
                    value = values.get(query, {}).get(measure, 0.0)
                    out.write(f"{name}\t{query}\t{value!r}\n")


main()
