"""Passages and queries of treffer-mini-de-en, from which `treffer mine` makes lists.

    python3 data/training/pools.py TEXTS COLLECTIONS OUT

TEXTS holds mdn-de, sql-docs-de, gesetze-de, debian-de and debian-parallel (.jsonl.gz; README.md
says what they are), COLLECTIONS the folders scifact, nfcorpus and wikiqa in BEIR layout, of which
only the judgments of `train` are read. Writes OUT/german and OUT/english with corpus.jsonl,
queries.jsonl and qrels.tsv, and OUT/parallel.json.
"""

import gzip
import json
import random
import re
import sys
from pathlib import Path

R = random.Random(7)
TEXTS, COLLECTIONS, OUT = (Path(path) for path in sys.argv[1:4])


def load(name):
    with gzip.open(TEXTS / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def sentences(text):
    return [s for s in re.split(r'(?<=[.!?:])\s+(?=[A-ZÄÖÜ(„"0-9])', text) if s]


def crop(text, low=25, high=95):
    """The first sentences, up to a random number of words, and the others."""
    wanted, kept, words = R.randint(low, high), [], 0
    all_sentences = sentences(text)
    for sentence in all_sentences:
        count = len(sentence.split())
        if kept and words + count > wanted:
            break
        kept.append(sentence)
        words += count
        if words >= wanted:
            break
    return " ".join(" ".join(kept).split()[:110]), all_sentences[len(kept):]


def question(heading, source):
    """A heading as a question, as people ask."""
    if len(heading.split()) > 7 or "?" in heading:
        return heading
    if source == "gesetze-de":
        patterns = ["Was gilt für {}?", "Was regelt der Paragraph {}?", "Wie ist {} geregelt?", "Was sagt das Gesetz zu {}?"]
    else:
        patterns = ["Was ist {}?", "Wofür braucht man {}?", "Was bedeutet {}?", "Wie funktioniert {}?", "Wie benutze ich {}?"]
    return R.choice(patterns).format(heading)


def german():
    corpus, queries = [], []

    def add(rows, count, asked, source, cloze=0):
        """`asked` headings are queries for their passages; of `cloze` further passages, a
        sentence from what was cut off is (inverse cloze)."""
        for number, row in enumerate(rows[:count]):
            passage, rest = crop(row["passage"])
            name = f"{source}-{number}"
            corpus.append({"_id": name, "text": passage})
            if number < asked:
                query = row["query"]
                if source != "debian-de" and R.random() < 0.25:
                    query = question(query, source)
                queries.append((f"{name}q", query, [name]))
            elif number < asked + cloze:
                long = [s for s in rest if 8 <= len(s.split()) <= 45]
                if long:
                    queries.append((f"{name}i", R.choice(long), [name]))

    mdn = load("mdn-de")
    # Those that a machine translated are bad German.
    sql = [row for row in load("sql-docs-de") if not row.get("mt")]
    laws, packages, parallel = load("gesetze-de"), load("debian-de"), load("debian-parallel")
    add(mdn, 6000, 1300, "mdn-de")
    add(sql, 6000, 1900, "sql-docs-de", 400)
    add(laws, 7000, 1700, "gesetze-de", 700)
    add(packages, 2500, 300, "debian-de")
    R.shuffle(queries)
    return corpus, queries, parallel


def english(parallel):
    corpus, queries = [], []
    for number, row in enumerate(parallel[:4000]):
        passage, _ = crop(row["passage"])
        corpus.append({"_id": f"par-{number}", "text": passage})
        if number < 1300:
            queries.append((f"par-{number}q", row["query_en"], [f"par-{number}"]))
    for name, count in [("wikiqa", 873), ("scifact", 809), ("nfcorpus", 1500)]:
        collection(name, count, corpus, queries)
    R.shuffle(queries)
    return corpus, queries


def collection(name, count, corpus, queries):
    folder = COLLECTIONS / name
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
    texts = {row["_id"]: row["text"] for row in map(json.loads, (folder / "queries.jsonl").open())}
    relevant = {}
    for line in (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, []).append(document)
    for row in rows:
        title = row.get("title") or ""
        if title and name in ("scifact", "nfcorpus"):
            body, _ = crop(row["text"], 30, 80)
            passage = f"{title} {body}" if title.endswith(".") else f"{title}. {body}"
        else:
            passage = (f"{title}: " if title and R.random() < 0.5 else "") + row["text"]
            passage = " ".join(passage.split()[:110])
        corpus.append({"_id": f"{name}-{row['_id']}", "text": passage})
    keys = list(relevant)
    R.shuffle(keys)
    for query in keys[:count]:
        documents = relevant[query]
        R.shuffle(documents)
        queries.append((f"{name}-{query}", texts[query], [f"{name}-{d}" for d in documents[:3]]))


def write(folder, corpus, queries):
    folder.mkdir(parents=True, exist_ok=True)
    dump = lambda row: json.dumps(row, ensure_ascii=False) + "\n"
    (folder / "corpus.jsonl").write_text("".join(map(dump, corpus)))
    (folder / "queries.jsonl").write_text("".join(dump({"_id": q, "text": text}) for q, text, _ in queries))
    rows = [f"{q}\t{document}\t1\n" for q, _, documents in queries for document in documents]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))


corpus, queries, parallel = german()
write(OUT / "german", corpus, queries)
write(OUT / "english", *english(parallel))
both = {f"par-{n}": [row["query"], crop(row["passage_de"])[0]] for n, row in enumerate(parallel[:4000])}
(OUT / "parallel.json").write_text(json.dumps(both, ensure_ascii=False))
