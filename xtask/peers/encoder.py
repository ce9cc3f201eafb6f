"""One contestant of `cargo xtask bench encoder`: PyTorch or ONNX Runtime.

    python encoder.py JOB.json

Loads the model, tries its settings, and says "ready" in a line of JSON. Then every
line on stdin is a request that is answered by one line on stdout: "run" by the
milliseconds of the work, "scores" by its results as JSON.

The work goes from texts to scores, tokenization included. What is tried, and the
fastest kept: the backend's variants, batch sizes, and either all threads in one batch
or one thread in each of several batches at a time. Texts are sorted by length.
"""

import contest  # before the libraries, which print

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer

import backends

BATCH_SIZES = [1, 2, 4, 8, 16, 32]


class Work:
    """The texts of a job and the way from them to results."""

    def __init__(self, job):
        self.query, self.texts = job.get("query"), job["texts"]
        self.one_by_one = job["one_by_one"]
        self.n_threads = job["threads"]
        self.tokenizer = Tokenizer.from_file(os.path.join(job["model"], "tokenizer.json"))
        self.tokenizer.no_padding()
        # Of a pair, only the passage is ever cut.
        strategy = "longest_first" if self.query is None else "only_second"
        self.tokenizer.enable_truncation(job["max_length"], strategy=strategy)
        self.pool = None

    def use(self, variant, batch_size, n_streams):
        """Changes the settings: `n_streams` batches run at a time."""
        n_threads = max(1, self.n_threads // n_streams)
        self.variant, self.batch_size, self.n_streams = variant, batch_size, n_streams
        variant.set_threads(n_threads)
        if self.pool:
            self.pool.shutdown()
        self.pool = None
        if n_streams > 1:
            self.pool = ThreadPoolExecutor(n_streams, initializer=variant.enter_thread, initargs=(n_threads,))

    def results(self, texts):
        """One row per text, in order."""
        inputs = texts if self.query is None else [(self.query, text) for text in texts]
        encodings = self.tokenizer.encode_batch(inputs)
        lengths = [len(encoding.ids) for encoding in encodings]
        order = sorted(range(len(texts)), key=lambda place: -lengths[place])
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        run = lambda batch: self._rows([encodings[place] for place in batch])
        done = self.pool.map(run, batches) if self.pool else map(run, batches)
        rows = [None] * len(texts)
        for batch, some in zip(batches, done):
            for place, row in zip(batch, some):
                rows[place] = row
        return rows

    def _rows(self, encodings):
        longest = max(len(encoding.ids) for encoding in encodings)
        ids, mask, segments = (np.zeros((len(encodings), longest), np.int64) for _ in range(3))
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            ids[row, :length] = encoding.ids
            mask[row, :length] = 1
            segments[row, :length] = encoding.type_ids
        return self.variant.rows(ids, mask, segments)

    def milliseconds(self, texts):
        """Of the whole work, or the median of the texts if they come one by one."""
        if self.one_by_one:
            return median(_timed(lambda text=text: self.results([text])) for text in texts)
        return _timed(lambda: self.results(texts))


def _timed(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def choose(work, variants):
    """Settles on the fastest settings and returns their names."""
    # For a single text, as many streams as threads means one thread.
    streams = sorted({1, work.n_threads})
    sizes = [1] if work.one_by_one else BATCH_SIZES

    few = spread(work.texts, 16)
    tried = {(v, n): attempt(work, few, v, min(4, sizes[-1]), n) for v in variants for n in streams}
    variant, n_streams = min(tried, key=tried.get)

    # Cost falls with the size to some point and rises again from there.
    many, best = spread(work.texts, 64), None
    for size in sizes:
        milliseconds = attempt(work, many, variant, size, n_streams)
        if best and milliseconds > 1.1 * best[0]:
            break
        best = min(best or (milliseconds, size), (milliseconds, size))
    work.use(variant, best[1], n_streams)
    return f"{variant.name}, batch {best[1]}, streams {n_streams}"


def attempt(work, texts, variant, batch_size, n_streams):
    """Milliseconds of `texts` under these settings."""
    work.use(variant, batch_size, n_streams)
    work.milliseconds(texts[: 2 * batch_size * n_streams])  # first calls allocate and plan
    milliseconds = min(work.milliseconds(texts) for _ in range(2))
    print(f"    {variant.name}, batch {batch_size}, streams {n_streams}: {milliseconds:.1f} ms", file=sys.stderr)
    return milliseconds


def spread(texts, n):
    """At most `n` of them with the lengths of the whole, longest first."""
    by_length = sorted(texts, key=len, reverse=True)
    n = min(n, len(by_length))
    return [by_length[i * len(by_length) // n] for i in range(n)]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.manual_seed(0)
    work = Work(job)
    settings = choose(work, backends.variants(job))
    versions = {"PyTorch": torch.__version__, "ONNX Runtime": onnxruntime.__version__}
    contest.serve(
        {"settings": settings, "versions": versions},
        {
            "run": lambda: work.milliseconds(work.texts),
            "scores": lambda: [[float(value) for value in row] for row in work.results(work.texts)],
        },
    )


if __name__ == "__main__":
    main()
