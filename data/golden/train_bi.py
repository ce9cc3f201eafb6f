"""Trains the tiny bi-encoder in this folder with PyTorch and the losses of Sentence Transformers,
and writes what it does, step by step, to training-bi.json, which `crates/train` is compared with.

Run after make.py, in its environment and with sentence-transformers==6.2.0, from this folder:
python train_bi.py
"""

import json
import sys
from pathlib import Path

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer, losses, util
from tokenizers import Tokenizer
from transformers import AutoModel

import steps
from steps import MAX_LENGTH, TEMPERATURE

HERE = Path(__file__).parent
BASE = "tiny-bert-bi"
QUERY, PASSAGE = "query: ", "passage: "
SCALE = 20.0

TRIPLETS = [
    ("cold fridge", "the lab fridge is 5 c cold", "warm door"),
    ("quiet freezer", "not a loud freezer", "loud door"),
    ("din 13277", "the lab is din 13277", "din 13271 door"),
    ("280 liter", "a fridge of 280 liter", "shelf 280 liter"),
]
LISTS = [
    ("cold fridge", ["the lab fridge is 5 c cold", "warm door", "ice"], [3.5, -2.0, 0.5]),
    ("quiet freezer", ["not a loud freezer", "shelf 280 liter"], [4.0, -3.0]),
]


def embedder(model, pooling):
    tokenizer = Tokenizer.from_file(str(HERE / BASE / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH)

    def embed(prefix, texts):
        vectors = []
        for text in texts:
            ids = tokenizer.encode(prefix + text).ids
            states = model(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            ).last_hidden_state[0]
            vectors.append(states.mean(0) if pooling == "mean" else states[0])
        return torch.nn.functional.normalize(torch.stack(vectors))

    return embed


# The losses ask their model for nothing when vectors are given.
def multiple_negatives(embed):
    loss = losses.MultipleNegativesRankingLoss(None, scale=SCALE)
    queries, positives, negatives = zip(*TRIPLETS)
    columns = [embed(QUERY, queries), embed(PASSAGE, positives), embed(PASSAGE, negatives)]
    return loss.compute_loss_from_embeddings(columns, None)


def mse(embed):
    queries, passages, scores = zip(
        *[(q, p, s) for q, passages, scores in LISTS for p, s in zip(passages, scores)]
    )
    found = util.pairwise_cos_sim(embed(QUERY, queries), embed(PASSAGE, passages))
    return torch.nn.functional.mse_loss(found, torch.sigmoid(torch.tensor(scores) / TEMPERATURE))


def margin_mse(embed):
    loss = losses.MarginMSELoss(
        None, similarity_fct=lambda a, b: SCALE * util.pairwise_cos_sim(a, b)
    )
    terms = [
        (q, passages[0], p, scores[0] - s)
        for q, passages, scores in LISTS
        for p, s in zip(passages[1:], scores[1:])
    ]
    queries, best, others, margins = zip(*terms)
    columns = [embed(QUERY, queries), embed(PASSAGE, best), embed(PASSAGE, others)]
    return loss.compute_loss_from_embeddings(columns, torch.tensor(margins))


def train(pooling, loss_of):
    model = AutoModel.from_pretrained(
        HERE / BASE, dtype=torch.float32, add_pooling_layer=False
    )
    embed = embedder(model, pooling)
    trained = steps.train(model, lambda: loss_of(embed))
    with torch.no_grad():
        queries, passages, _ = zip(*TRIPLETS)
        after = util.pairwise_cos_sim(embed(QUERY, queries), embed(PASSAGE, passages))
    return {**trained, "cosines": after.tolist()}


def check_folder(folder):
    """Prints the vectors of a trained folder as Sentence Transformers computes them."""
    model = SentenceTransformer(folder, device="cpu")
    for text in ["cold fridge", "din 13277"]:
        print(json.dumps(model.encode_query(text).tolist()))
        print(json.dumps(model.encode_document(text).tolist()))


def main():
    runs = [
        {"pooling": pooling, "loss": loss, **train(pooling, function)}
        for pooling, loss, function in [
            ("mean", "multiple-negatives", multiple_negatives),
            ("cls", "multiple-negatives", multiple_negatives),
            ("mean", "mse", mse),
            ("mean", "margin-mse", margin_mse),
        ]
    ]
    golden = {
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sentence_transformers": sentence_transformers.__version__,
        },
        **steps.SETTINGS, "scale": SCALE,
        "data": {
            "triplets": [{"query": q, "positive": p, "negative": n} for q, p, n in TRIPLETS],
            "lists": [{"query": q, "passages": p, "scores": s} for q, p, s in LISTS],
        },
        "runs": runs,
    }
    (HERE / "training-bi.json").write_text(json.dumps(golden, indent=1) + "\n")


if len(sys.argv) > 1:
    check_folder(sys.argv[1])
else:
    main()
