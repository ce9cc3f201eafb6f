"""Other libraries on the vectors and queries that `large truth ... --export` wrote.

Measured: time of building on two threads, memory of the process, recall against the scan of the
vectors in f32 and time of searches on one thread, each search the fastest of five. usearch
keeps half-precision numbers, the others f32.

    python -m venv venv && venv/bin/pip install numpy hnswlib faiss-cpu usearch
    venv/bin/python large_peers.py DIRECTORY hnswlib|faiss|usearch

DIRECTORY is the one given to `large`.
"""

import sys
import time

import numpy as np

DIMENSION, TRUE, M, EF_CONSTRUCTION, AGAIN = 384, 100, 16, 100, 5
RUNS = [(10, 50), (10, 100), (10, 200), (100, 100), (100, 200), (100, 400)]

base, library = sys.argv[1].rstrip("/"), sys.argv[2]
vectors = np.memmap(f"{base}.vectors", dtype=np.float32, mode="r").reshape(-1, DIMENSION)
queries = np.fromfile(f"{base}.queries", dtype=np.float32).reshape(-1, DIMENSION)
truth = np.fromfile(f"{base}.truth", dtype=np.uint32).reshape(-1, TRUE)
n, block = len(vectors), 50_000


def memory():
    status = open("/proc/self/status").read().splitlines()
    line = next(line for line in status if line.startswith("RssAnon"))
    return f"{int(line.split()[1]) * 1.024e-3:.0f} MB of memory, mapped files not counted"


if library == "hnswlib":
    import hnswlib

    index = hnswlib.Index(space="ip", dim=DIMENSION)
    index.init_index(n, M=M, ef_construction=EF_CONSTRUCTION)
    add = lambda start: index.add_items(vectors[start : start + block], num_threads=2)

    def search(query, depth, ef):
        return index.knn_query(query, k=depth, num_threads=1)[0][0]

    set_ef = index.set_ef
elif library == "faiss":
    import faiss

    index = faiss.IndexHNSWFlat(DIMENSION, M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    faiss.omp_set_num_threads(2)
    add = lambda start: index.add(np.ascontiguousarray(vectors[start : start + block]))

    def search(query, depth, ef):
        return index.search(query[None], depth)[1][0]

    def set_ef(ef):
        faiss.omp_set_num_threads(1)
        index.hnsw.efSearch = ef

else:
    from usearch.index import Index

    index = Index(
        ndim=DIMENSION, metric="ip", dtype="f16", connectivity=M, expansion_add=EF_CONSTRUCTION
    )

    def add(start):
        rows = vectors[start : start + block]
        index.add(np.arange(start, start + len(rows)), rows, threads=2)

    def search(query, depth, ef):
        return index.search(query, depth, threads=1).keys

    def set_ef(ef):
        index.expansion_search = ef


start, cpu = time.perf_counter(), time.process_time()
for first in range(0, n, block):
    add(first)
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
print(f"{library}: built in {wall:.1f} s, {cpu:.1f} s of the processors: {memory()}")
print("depth   ef  recall       mean       p50       p99")
for depth, ef in RUNS:
    set_ef(ef)
    times, recall = [], 0.0
    for query, best in zip(queries, truth):
        fastest = float("inf")
        for _ in range(AGAIN):
            start = time.perf_counter()
            found = search(query, depth, ef)
            fastest = min(fastest, 1e3 * (time.perf_counter() - start))
        times.append(fastest)
        recall += len(set(found.tolist()) & set(best[:depth].tolist())) / depth / len(queries)
    p50, p99 = np.percentile(times, [50, 99])
    print(f"{depth:5} {ef:4}  {recall:.4} {np.mean(times):7.3f} ms {p50:6.3f} ms {p99:6.3f} ms")
