"""Lists that treffer-mini-de-en is trained on, from what `treffer mine` found.

    python3 data/training/lists.py OUT

OUT is the folder that pools.py wrote, with german/mined.jsonl, english/mined.jsonl and
products.jsonl, of which the last 30 lines are held out. Writes OUT/train.jsonl and
OUT/held-out.jsonl.

German lists have labels, English ones the scores of the English cross-encoder. The English lists
of package descriptions appear in German and across languages too, with the scores of their English
twins.
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

R = random.Random(11)
OUT = Path(sys.argv[1])
# Lists of each kind.
WANTED = {"de": 6000, "par": 3000, "wikiqa": 2600, "scifact": 1000, "nfcorpus": 800}


def load(path):
    return [json.loads(line) for line in path.open()]


def source(row):
    return row["from"][0]["doc"].split("-")[0]


def parts(row):
    """Places of the relevant passages, of hard negatives and of random ones."""
    places = range(len(row["labels"]))
    relevant = [i for i in places if row["labels"][i] > 0]
    random_ones = [i for i in places if row["from"][i].get("stage") == "random"]
    hard = [i for i in places if i not in relevant and i not in random_ones]
    return relevant, hard, random_ones


def labeled(row, places):
    labels = [1 if row["labels"][i] > 0 else 0 for i in places]
    return {"query": row["query"], "passages": [row["passages"][i] for i in places], "labels": labels}


def scored(query, passages, scores):
    return {"query": query, "passages": passages, "scores": [round(score, 3) for score in scores]}


def english_lists(row):
    relevant, hard, random_ones = parts(row)
    R.shuffle(hard)
    R.shuffle(relevant)
    lists = []
    for number, start in enumerate(range(0, min(len(hard), 18), 6)):
        places = relevant[number % len(relevant):][:1] + hard[start:start + 6] + random_ones[number % 2:][:1]
        if len(places) >= 5:
            lists.append(places)
    return lists


def across_languages(row, parallel):
    """The same list in German, and with query and passages in different languages."""
    names = [origin["doc"] for origin in row["from"]]
    relevant, hard, _ = parts(row)
    own = names[relevant[0]]
    for pair in R.sample(["dd", "de", "ed"], 3):
        translated = [i for i in hard if names[i] in parallel]
        R.shuffle(translated)
        if len(translated) < 4:
            continue
        places = [relevant[0], *translated[:7]]
        query = parallel[own][0] if pair[0] == "d" else row["query"]
        passages = [parallel[names[i]][1] if pair[1] == "d" else row["passages"][i] for i in places]
        yield scored(query, passages, [row["scores"][i] for i in places])


def main():
    parallel = json.loads((OUT / "parallel.json").read_text())
    german, english = load(OUT / "german/mined.jsonl"), load(OUT / "english/mined.jsonl")
    products = load(OUT / "products.jsonl")
    R.shuffle(german)
    R.shuffle(english)
    held = german[:70]
    for name, count in [("wikiqa", 45), ("par", 30), ("scifact", 20)]:
        held += [row for row in english if source(row) == name][:count]
    kept_out = {id(row) for row in held}
    found = []
    for row in german[70:]:
        relevant, hard, random_ones = parts(row)
        if not relevant or len(hard) < 4:
            continue
        R.shuffle(hard)
        half = len(hard) // 2
        found.append((labeled(row, [relevant[0], *hard[:6], *random_ones[:1]]), "de"))
        found.append((labeled(row, [relevant[0], *hard[half:half + 6], *random_ones[-1:]]), "de"))
    for row in english:
        lists = english_lists(row)
        if id(row) in kept_out or not lists:
            continue
        kind = source(row)
        for places in lists[:{"wikiqa": 3, "par": 1}.get(kind, 2)]:
            passages = [row["passages"][i] for i in places]
            found.append((scored(row["query"], passages, [row["scores"][i] for i in places]), kind))
        if kind == "par":
            found += [(one, kind) for one in across_languages(row, parallel)]
    R.shuffle(found)
    have, chosen = Counter(), []
    for one, kind in found:
        if have[kind] < WANTED[kind]:
            have[kind] += 1
            chosen.append(one)
    chosen += products[:-30]
    R.shuffle(chosen)
    write(OUT / "train.jsonl", chosen)
    print(dict(have), len(products) - 30, "of products")
    write(OUT / "held-out.jsonl", [*held_out(held, parallel), *map(binary, products[-30:])])


def held_out(rows, parallel):
    for row in rows:
        relevant, hard, _ = parts(row)
        if not relevant:
            continue
        one = labeled(row, relevant[:3] + hard[:9])
        if source(row) == "par":
            # Across languages.
            one["query"] = parallel[row["from"][relevant[0]]["doc"]][0]
        yield one


def binary(row):
    return row | {"labels": [1 if label >= 0.5 else 0 for label in row["labels"]]}


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


main()
