"""Trains two of the tiny models in this folder with PyTorch and writes what it does, step by
step, to training.json, which `crates/train` is compared with.

Run after make.py, in its environment, from this folder: python train.py
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification

import steps
from steps import MAX_LENGTH, TEMPERATURE

HERE = Path(__file__).parent

PAIRS = [
    ("cold fridge", "the lab fridge is 5 c cold", 1.0),
    ("cold fridge", "warm door", 0.0),
    ("din 13277", "the lab is din 13277", 1.0),
    ("din 13277", "din 13271 door", 0.0),
    ("280 liter", "a fridge of 280 liter", 0.75),
]
LISTS = [
    ("cold fridge", ["warm door", "the lab fridge is 5 c cold", "ice"], [-2.0, 3.5, 0.5]),
    ("quiet freezer", ["not a loud freezer", "shelf 280 liter"], [4.0, -3.0]),
]


def reader(folder, model):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH, strategy="only_second")

    def logits(query, passage):
        encoding = tokenizer.encode(query, passage)
        segments = encoding.type_ids if model.config.type_vocab_size > 1 else [0] * len(encoding.ids)
        return model(
            input_ids=torch.tensor([encoding.ids]),
            token_type_ids=torch.tensor([segments]),
            attention_mask=torch.ones(1, len(encoding.ids), dtype=torch.long),
        ).logits[0, 0]

    return logits


def bce(logits):
    found = torch.stack([logits(query, passage) for query, passage, _ in PAIRS])
    return torch.nn.functional.binary_cross_entropy_with_logits(
        found, torch.tensor([label for *_, label in PAIRS])
    )


def listwise(logits):
    terms = []
    for query, passages, scores in LISTS:
        found = torch.stack([logits(query, passage) for passage in passages])
        wanted = torch.softmax(torch.tensor(scores) / TEMPERATURE, 0)
        terms.append(-(wanted * torch.log_softmax(found, 0)).sum())
    return torch.stack(terms).mean()


def train(name, loss_of):
    folder = HERE / name
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    logits = reader(folder, model)
    trained = steps.train(model, lambda: loss_of(logits))
    with torch.no_grad():
        after = [logits(query, passage).item() for query, passage, _ in PAIRS]
    return {**trained, "logits": after}


def main():
    lines = {
        "bce": [{"query": q, "passage": p, "label": y} for q, p, y in PAIRS],
        "list": [{"query": q, "passages": p, "scores": s} for q, p, s in LISTS],
    }
    runs = [
        {"base": base, "loss": loss, **train(base, function)}
        for base in ["tiny-bert-cross", "tiny-xlmr-cross"]
        for loss, function in [("bce", bce), ("list", listwise)]
    ]
    golden = {
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        **steps.SETTINGS,
        "data": lines, "runs": runs,
    }
    (HERE / "training.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
