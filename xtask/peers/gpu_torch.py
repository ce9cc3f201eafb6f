"""Sentence Transformers on the work of `cargo xtask gpu check`.

    python gpu_torch.py --work FOLDER --device cuda --only pairs --model cross --sets "128 tokens"

Measures a cross-encoder or a bi-encoder in bf16 and prints a line of JSON for every figure, as
benches/gpu does for Treffer: `one query at a time` is a call of 100 pairs, `many queries` one
call with the pairs of all queries. Every implementation of attention that can be loaded and
several batch sizes are tried on a part of the work, and the fastest are measured. Texts are
sorted by length, longest first.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

from weights import load_bert

logging.set_verbosity_error()
if hasattr(logging, "disable_progress_bar"):
    logging.disable_progress_bar()

ATTENTIONS = ["sdpa", "flash_attention_2", "eager"]
BATCHES = [64, 128, 256, 512, 1024]


def say(**figure):
    print(json.dumps(figure), flush=True)


def note(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def hub_folder(folder, cross, into):
    """The model as Transformers wants it."""
    model = load_bert(folder, cross)
    model.save_pretrained(into)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=os.path.join(folder, "tokenizer.json"),
        unk_token="[UNK]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        mask_token="[MASK]",
        model_max_length=512,
    )
    tokenizer.save_pretrained(into)
    if not cross:
        width = model.config.hidden_size
        modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
        write(
            os.path.join(into, "modules.json"),
            [
                {"idx": place, "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
                for place, (name, path, kind) in enumerate(modules)
            ],
        )
        pooling = {"word_embedding_dimension": width, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
        write(os.path.join(into, "1_Pooling", "config.json"), pooling)
        write(os.path.join(into, "sentence_bert_config.json"), {"max_seq_length": 512, "do_lower_case": False})
        os.makedirs(os.path.join(into, "2_Normalize"))
    return into


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)


def dtype(device):
    """bf16; on a CPU, which only tries this script, f32: not every one has instructions for bf16."""
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def load_cross(folder, device, attention):
    from sentence_transformers import CrossEncoder

    settings = {"dtype": dtype(device), "attn_implementation": attention}
    raw = torch.nn.Identity()
    return CrossEncoder(
        folder, device=device, max_length=512, num_labels=1, activation_fn=raw, model_kwargs=settings
    )


def load_bi(folder, device, attention):
    from sentence_transformers import SentenceTransformer

    settings = {"dtype": dtype(device), "attn_implementation": attention}
    return SentenceTransformer(folder, device=device, model_kwargs=settings)


def limit(model, tokens):
    """Cuts texts to so many tokens; newer versions have another name for it."""
    if hasattr(type(model), "max_seq_length"):
        model.max_seq_length = tokens
    else:
        model.max_length = tokens


def by_attention(load, folder, device):
    """Every variant that can be loaded; why others cannot is said."""
    found = {}
    for attention in ATTENTIONS:
        try:
            found[attention] = load(folder, device, attention)
        except Exception as error:  # whatever a version says of what it lacks
            note(f"{attention}: {str(error).splitlines()[0][:120] if str(error) else type(error).__name__}")
    if not found:
        sys.exit("no implementation of attention could be loaded")
    return found


def timed(work, device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def fastest(settings, run, device):
    """The setting for which `run` is fastest, the second time that it is called."""
    seconds = {}
    for setting in settings:
        try:
            run(setting)
            seconds[setting] = timed(lambda: run(setting), device)
        except Exception as error:  # such as too little memory
            note(f"{setting}: {error}")
    if not seconds:
        sys.exit("no setting could be run")
    return min(seconds, key=seconds.get)


def repeated(work, device, seconds):
    """Seconds of each call, for so many seconds and at least one."""
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        times.append(timed(work, device))
    return sorted(times)


def percentile(times, share):
    return times[round(share * (len(times) - 1))]


def pairs(options, work, scratch):
    folder = hub_folder(os.path.join(options.work, "models", options.model), True, scratch)
    variants = by_attention(load_cross, folder, options.device)
    wanted = [one for one in work["sets"] if not options.sets or one["name"] in options.sets]
    for one in wanted:
        queries, passages = one["queries"], sorted(one["passages"], key=len, reverse=True)
        few = [(query, passage) for query in queries[:1] for passage in passages]
        many = [(query, passage) for passage in passages for query in queries[:options.queries]]

        def predict(setting, texts):
            attention, batch = setting
            model = variants[attention]
            limit(model, one["max_length"])
            return model.predict(texts, batch_size=batch, show_progress_bar=False)

        attention, _ = fastest([(name, 128) for name in variants], lambda s: predict(s, few), options.device)
        batches = [batch for batch in options.batches if batch <= max(len(few), 64) * 2]
        small = fastest([(attention, b) for b in batches], lambda s: predict(s, few), options.device)
        large = fastest([(attention, b) for b in options.batches], lambda s: predict(s, many), options.device)
        figure = {"step": "speed", "model": options.model, "set": one["name"], "device": "sentence-transformers"}
        for what, setting, texts in [("one query at a time", small, few), ("many queries", large, many)]:
            times = repeated(lambda: predict(setting, texts), options.device, options.seconds)
            say(
                **figure,
                what=what,
                settings=f"{str(dtype(options.device)).removeprefix('torch.')}, {setting[0]}, batch {setting[1]}",
                pairs_of_a_call=len(texts),
                calls=len(times),
                p50_ms=percentile(times, 0.5) * 1e3,
                p95_ms=percentile(times, 0.95) * 1e3,
                pairs_per_second=len(texts) * len(times) / sum(times),
            )


def documents(options, work, scratch):
    embedder = os.path.join(options.work, "models", "embedder")
    name = "embedder" if os.path.isdir(embedder) else "cross"
    folder = hub_folder(os.path.join(options.work, "models", name), False, scratch)
    variants = by_attention(load_bi, folder, options.device)
    n = len(work["documents"])
    short = (work["sets"][0]["passages"] * n)[:n]
    for what, texts in [("documents", work["documents"]), (work["sets"][0]["name"], short)]:
        texts = sorted(texts, key=len, reverse=True)
        # The model's own limit for documents; the set's for its passages.
        most = 512 if what == "documents" else work["sets"][0]["max_length"]

        def encode(setting, texts=texts):
            attention, batch = setting
            model = variants[attention]
            limit(model, most)
            return model.encode(texts, batch_size=batch, show_progress_bar=False)

        part = texts[:: max(1, n // 256)]
        attention, _ = fastest([(a, 128) for a in variants], lambda s: encode(s, part), options.device)
        setting = fastest([(attention, b) for b in options.batches], lambda s: encode(s, texts), options.device)
        times = repeated(lambda: encode(setting), options.device, options.seconds)
        say(
            step="documents",
            model=name,
            set=what,
            device="sentence-transformers",
            settings=f"{str(dtype(options.device)).removeprefix('torch.')}, {setting[0]}, batch {setting[1]}",
            calls=len(times),
            texts_of_a_call=n,
            p50_ms=percentile(times, 0.5) * 1e3,
            documents_per_second=n * len(times) / sum(times),
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default=".")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=["pairs", "documents"], default="pairs")
    parser.add_argument("--model", default="cross")
    parser.add_argument("--sets", type=lambda names: names.split(","), default=[])
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    options.batches = BATCHES
    if options.device == "cpu":
        # A trial of this script, whose figures are worth nothing.
        options.batches = BATCHES[:1]
        torch.set_num_threads(1)
    with open(os.path.join(options.work, "work.json"), encoding="utf-8") as file:
        work = json.load(file)
    import sentence_transformers
    import transformers

    say(
        step="versions",
        torch=torch.__version__,
        transformers=transformers.__version__,
        sentence_transformers=sentence_transformers.__version__,
    )
    scratch = tempfile.mkdtemp()
    try:
        with torch.inference_mode():
            {"pairs": pairs, "documents": documents}[options.only](options, work, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
