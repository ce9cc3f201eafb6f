"""One peer of `cargo xtask bench scale --peers`: builds an index of what ours was built of, and searches it.

    python scale.py PEER FOLDER DIMENSION M EF_CONSTRUCTION THREADS

PEER is hnswlib, faiss, usearch or bm25s. FOLDER holds what the benchmark wrote: vectors.f32 and
queries.f32, rows of 32-bit numbers, already of length 1; exact.u32, for each query the numbers of
its hundred best vectors; texts.txt and queries.txt, a line each. Prints one row of a table.
Queries are answered one at a time, as in a service; building uses all threads.

If FOLDER also holds filters.jsonl, with the values that it asks for in fields.u32 (two numbers for
each vector), hnswlib and faiss are searched under these filters too, and a line is printed for each
kind and share. A filter is made a bitmap beforehand, which is not part of the time. hnswlib calls
back for each vector that it looks at: a look-up in a list, but through the interpreter, which is
most of its time. It answers with an error where it finds fewer than are asked for; that counts as
nothing found.
"""

import json
import os
import sys
import tempfile
import time

import numpy as np

EFS = [50, 100, 200]


def median(values):
    return sorted(values)[len(values) // 2]


def memory(name):
    with open("/proc/self/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1000
    return float("nan")


def row(name, build, peak, disk, cells):
    print(f"| {name} | {build:.1f} s | {peak:.0f} MB | {disk / 1e6:.0f} MB | {' | '.join(cells)} | {memory('VmRSS'):.0f} MB |")


def dense(peer, folder, dimension, m, ef_construction, threads):
    read = lambda name: np.fromfile(os.path.join(folder, name), dtype=np.float32).reshape(-1, dimension)
    vectors, queries = read("vectors.f32"), read("queries.f32")
    exact = np.fromfile(os.path.join(folder, "exact.u32"), dtype=np.uint32).reshape(len(queries), 100)
    n = len(vectors)
    before = memory("VmRSS")
    start = time.perf_counter()
    if peer == "hnswlib":
        import hnswlib

        index = hnswlib.Index(space="ip", dim=dimension)
        index.init_index(max_elements=n, ef_construction=ef_construction, M=m)
        index.add_items(vectors, num_threads=threads)
        set_ef = index.set_ef
        search = lambda query, k: index.knn_query(query, k=k, num_threads=1)[0][0]
        save = index.save_index

        def prepare(bits):
            return bits.tolist().__getitem__

        def search_under(prepared, query, k):
            try:
                return index.knn_query(query, k=k, num_threads=1, filter=prepared)[0][0]
            except RuntimeError:
                return []

    elif peer == "faiss":
        import faiss

        faiss.omp_set_num_threads(threads)
        index = faiss.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_fp16, m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = ef_construction
        index.train(vectors[:1000])
        index.add(vectors)
        faiss.omp_set_num_threads(1)

        def set_ef(ef):
            index.hnsw.efSearch = ef

        search = lambda query, k: index.search(query[None], k)[1][0]
        save = lambda path: faiss.write_index(index, path)

        def prepare(bits):
            packed = np.packbits(bits, bitorder="little")
            selector = faiss.IDSelectorBitmap(packed)
            return faiss.SearchParametersHNSW(sel=selector, efSearch=index.hnsw.efSearch), packed

        def search_under(prepared, query, k):
            return index.search(query[None], k, params=prepared[0])[1][0]

    else:
        from usearch.index import Index

        index = Index(ndim=dimension, metric="ip", dtype="f16", connectivity=m, expansion_add=ef_construction)
        index.add(np.arange(n), vectors, threads=threads)

        def set_ef(ef):
            index.expansion_search = ef

        search = lambda query, k: index.search(query, k, threads=1).keys
        save = index.save
        prepare = search_under = None
    build = time.perf_counter() - start
    peak = memory("VmHWM") - before
    del vectors
    cells = []
    for ef in EFS:
        set_ef(ef)
        times, recall = [], 0.0
        for query, best in zip(queries, exact):
            start = time.perf_counter()
            found = search(query, 10)
            times.append((time.perf_counter() - start) * 1000)
            recall += len(set(map(int, found)) & set(map(int, best[:10]))) / 10 / len(queries)
        cells.append(f"{median(times):.2f} ms, {recall:.4f}")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = os.path.join(place, "index")
        save(path)
        row(peer, build, peak, os.path.getsize(path), cells)
    filters = os.path.join(folder, "filters.jsonl")
    if prepare and os.path.exists(filters):
        fields = np.fromfile(os.path.join(folder, "fields.u32"), dtype=np.uint32).reshape(n, 2)
        for cell in under_filters(filters, fields, queries, set_ef, prepare, search_under):
            print(cell)


def under_filters(path, fields, queries, set_ef, prepare, search):
    """Time and recall of each kind and share of filters, in the order of the file."""
    r, center = fields[:, 0], fields[:, 1]
    measured = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            asked = json.loads(line)
            bits = (r >= asked["from"]) & (r < asked["end"])
            if asked["centers"]:
                bits &= np.isin(center, asked["centers"])
            best = asked["best"]
            times, recalls = measured.setdefault((asked["kind"], asked["share"]), ([], []))
            if not best:
                recalls.append(1.0)
                continue
            set_ef(asked["ef"])
            prepared = prepare(bits)
            query = queries[asked["query"]]
            start = time.perf_counter()
            found = search(prepared, query, len(best))
            times.append((time.perf_counter() - start) * 1000)
            recalls.append(len(set(map(int, found)) & set(best)) / len(best))
    for times, recalls in measured.values():
        yield f"{median(times):.2f} ms, {sum(recalls) / len(recalls):.4f}"


def lexical(folder):
    import bm25s

    read = lambda name: open(os.path.join(folder, name), encoding="utf-8").read().splitlines()
    texts, queries = read("texts.txt"), read("queries.txt")
    n = len(texts)
    before = memory("VmRSS")
    start = time.perf_counter()
    tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False)
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
    index.index(tokens, show_progress=False)
    build = time.perf_counter() - start
    peak = memory("VmHWM") - before
    del texts, tokens
    asked = [bm25s.tokenize([query], stopwords=None, show_progress=False, return_ids=False) for query in queries]
    index.retrieve(asked[0], k=10, n_threads=1, show_progress=False)  # numba compiles
    cells = []
    for depth in [100, 1000, 10_000]:
        times = []
        for query in asked:
            start = time.perf_counter()
            index.retrieve(query, k=min(depth, n), n_threads=1, show_progress=False)
            times.append((time.perf_counter() - start) * 1000)
        cells.append(f"{median(times):.2f} ms")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        index.save(place, show_progress=False)
        size = sum(os.path.getsize(os.path.join(place, name)) for name in os.listdir(place))
    row("bm25s", build, peak, size, cells)


def main():
    peer, folder = sys.argv[1:3]
    if peer == "bm25s":
        lexical(folder)
    else:
        dense(peer, folder, *map(int, sys.argv[3:7]))


if __name__ == "__main__":
    main()
