"""Generates the tiny models of late interaction in this folder and their reference outputs.

Weights are random with a fixed seed; reference outputs come from PyLate, which reads both
layouts: that of ColBERT (`tiny-colbert`) and its own (`tiny-pylate`).
Install in a temporary environment:

    pip install pylate==1.6.0 onnx==1.23.2 onnxruntime==1.31.1

Then, from this folder: python make_late.py
The installed versions are written to each golden.json.
"""

import importlib.metadata
import json
import shutil
import string

import safetensors.torch
import torch
from pylate import models
from sentence_transformers.models import Transformer
from tokenizers import AddedToken, Tokenizer
from transformers import BertConfig, BertModel

from make import HERE, PASSAGES, QUERY, VERSIONS, common, config_of, randomize, word_piece, write_json

VERSIONS = {**VERSIONS, "pylate": importlib.metadata.version("pylate"),
            "sentence-transformers": importlib.metadata.version("sentence-transformers")}
QUERIES = [QUERY, "", "freezer", "warm ice door shelf lab fridge freezer cold how not a the is 5 c"]
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "unk_token": "[UNK]",
    "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]",
}


def tokenizer_with(markers):
    """That of the other models and two markers."""
    tokenizer, size = word_piece()
    tokenizer.add_tokens([AddedToken(marker, normalized=False) for marker in markers])
    return tokenizer, size + len(markers)


def backbone(size, seed):
    return randomize(BertModel(BertConfig(**common(size), attn_implementation="eager"), add_pooling_layer=False), seed)


def texts(model, tokenizer, texts, is_query, most):
    """Rows of vectors, and how many tokens were cut."""
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.no_truncation()
    whole.no_padding()
    rows = []
    for text in texts:
        vectors = model.encode([text], is_query=is_query, show_progress_bar=False)[0]
        uncut = len(whole.encode(text).ids) + 1
        rows.append({"text": text, "vectors": [[round(float(x), 6) for x in row] for row in vectors],
                     "tokens_cut": max(0, uncut - most)})
    return rows


def save_golden(folder, model, tokenizer, query_length, passage_length):
    golden = {
        "versions": VERSIONS,
        "queries": texts(model, tokenizer, QUERIES, True, query_length),
        "passages": texts(model, tokenizer, PASSAGES, False, passage_length),
    }
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")


def colbert():
    """The layout of ColBERT: transformer and projection in one file, and `artifact.metadata`."""
    folder = HERE / "tiny-colbert"
    folder.mkdir(exist_ok=True)
    tokenizer, size = tokenizer_with(["[unused0]", "[unused1]"])
    model = backbone(size, 11)
    linear = torch.randn((16, 32), generator=torch.Generator().manual_seed(12)) * 0.2
    tensors = {f"bert.{name}": value.contiguous() for name, value in model.state_dict().items() if value.is_floating_point()}
    tensors["linear.weight"] = linear
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config_of(model, "HF_ColBERT"))
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)
    write_json(folder / "artifact.metadata", {
        "query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_token": "[Q]", "doc_token": "[D]",
        "dim": 16, "doc_maxlen": 20, "mask_punctuation": True, "query_maxlen": 14,
        "attend_to_mask_tokens": False, "interaction": "colbert", "similarity": "cosine",
        "bsize": 32, "lr": 1e-05, "nway": 2,
    })
    save_golden(folder, models.ColBERT(str(folder), device="cpu"), tokenizer, 14, 20)


def pylate():
    """PyLate's own layout, saved by it: attended expansion, two dense layers, words to skip."""
    folder, plain = HERE / "tiny-pylate", HERE / "plain"
    plain.mkdir(exist_ok=True)
    tokenizer, size = tokenizer_with(["[Q] ", "[D] "])
    model = backbone(size, 13)
    model.save_pretrained(plain)
    (plain / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
    write_json(plain / "tokenizer_config.json", TOKENIZER_CONFIG)
    torch.manual_seed(14)
    modules = [
        Transformer(str(plain)),
        models.Dense(in_features=32, out_features=24, bias=True, activation_function=torch.nn.Tanh()),
        models.Dense(in_features=24, out_features=8, bias=False),
    ]
    late = models.ColBERT(
        modules=modules, device="cpu", query_prefix="[Q] ", document_prefix="[D] ", query_length=12,
        document_length=24, attend_to_expansion_tokens=True, do_query_expansion=True,
        skiplist_words=[".", "?", "the"])
    shutil.rmtree(folder, ignore_errors=True)
    late.save(str(folder), create_model_card=False)
    shutil.rmtree(plain)
    save_golden(folder, models.ColBERT(str(folder), device="cpu"), tokenizer, 12, 24)


if __name__ == "__main__":
    assert len(string.punctuation) == 32
    colbert()
    pylate()
