"""Other libraries on the vectors, queries and filters that `filtered --export` wrote.

Measured: recall@10 against an exact scan under the same filter, and time, one thread for
searches and two for building. hnswlib calls a Python function for each vector that it looks
at, which is most of its time under a filter; faiss reads a bitmap.

    python -m venv venv && venv/bin/pip install numpy hnswlib faiss-cpu
    venv/bin/python peers.py DIRECTORY

DIRECTORY is the one given to `filtered`.
"""

import sys
import time

import faiss
import hnswlib
import numpy as np

DIMENSION, DEPTH, EF_SEARCH, M, EF_CONSTRUCTION = 384, 10, 100, 16, 100
SHARES = [1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0001]
KINDS = ["random", "near", "far"]

base = sys.argv[1].rstrip("/")
read = lambda name, kind: np.fromfile(f"{base}.{name}", dtype=kind)
vectors = read("vectors", np.float32).reshape(-1, DIMENSION)
queries = read("queries", np.float32).reshape(-1, DIMENSION)
filters = read("filters", np.uint32)
ends = np.flatnonzero(filters == 0xFFFFFFFF)
starts = np.concatenate([[0], ends[:-1] + 1])
n = len(vectors)


def timed(what):
    start, cpu = time.perf_counter(), time.process_time()
    result = what()
    return result, time.perf_counter() - start, time.process_time() - cpu


libraries = {}
hnsw = hnswlib.Index(space="ip", dim=DIMENSION)
hnsw.init_index(n, M=M, ef_construction=EF_CONSTRUCTION)
_, wall, cpu = timed(lambda: hnsw.add_items(vectors, num_threads=2))
print(f"hnswlib built in {wall:.1f} s, {cpu:.1f} s of the processors")
hnsw.set_ef(EF_SEARCH)


def search_hnswlib(query, allowed):
    bits = np.zeros(n, dtype=bool)
    bits[allowed] = True
    accept = bits.tolist().__getitem__
    start = time.thread_time()
    try:
        labels, _ = hnsw.knn_query(query, k=DEPTH, num_threads=1, filter=accept)
        found = labels[0]
    except RuntimeError:  # fewer than k were found
        found = []
    return found, time.thread_time() - start


faiss.omp_set_num_threads(2)
graph = faiss.IndexHNSWFlat(DIMENSION, M, faiss.METRIC_INNER_PRODUCT)
graph.hnsw.efConstruction = EF_CONSTRUCTION
_, wall, cpu = timed(lambda: graph.add(vectors))
print(f"faiss built in {wall:.1f} s, {cpu:.1f} s of the processors")
faiss.omp_set_num_threads(1)


def search_faiss(query, allowed):
    bits = np.zeros(n, dtype=bool)
    bits[allowed] = True
    packed = np.packbits(bits, bitorder="little")
    selector = faiss.IDSelectorBitmap(packed)
    parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=EF_SEARCH)
    start = time.thread_time()
    _, labels = graph.search(query[None], DEPTH, params=parameters)
    return labels[0], time.thread_time() - start


print("filter  share     hnswlib recall, ms      faiss recall, ms")
at = 0
for kind in KINDS:
    for share in SHARES:
        totals = np.zeros(4)
        for query in queries:
            allowed = filters[starts[at] : ends[at]].astype(np.int64)
            at += 1
            scores = vectors[allowed] @ query
            best = set(allowed[np.argsort(-scores, kind="stable")[:DEPTH]].tolist())
            for i, search in enumerate([search_hnswlib, search_faiss]):
                found, seconds = search(query, allowed)
                right = len(best & set(np.asarray(found).tolist())) / len(best)
                totals[2 * i : 2 * i + 2] += right, 1e3 * seconds
        a, b, c, d = totals / len(queries)
        print(f"{kind:6} {100 * share:6.2f} %  {a:.4f} {b:9.3f}  {c:.4f} {d:9.3f}", flush=True)
