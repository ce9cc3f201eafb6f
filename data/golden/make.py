"""Generates the tiny models in this folder and their reference outputs.

Weights are random with a fixed seed; reference outputs come from the Python originals.
Install in a temporary environment:

    pip install torch==2.15.0 transformers==5.23.0 onnx==1.23.2 onnxruntime==1.31.1 \
        safetensors==0.8.0 tokenizers==0.23.3 numpy==2.4.6

Then, from this folder: python make.py
The installed versions are written to each golden.json.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
import safetensors.torch
import tokenizers
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnx import numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig, BertForSequenceClassification, BertModel,
    ElectraConfig, ElectraForSequenceClassification,
    XLMRobertaConfig, XLMRobertaForSequenceClassification,
)

HERE = Path(__file__).parent
VERSIONS = {
    "python": sys.version.split()[0],
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "tokenizers": tokenizers.__version__,
    "onnx": onnx.__version__,
}

WORDS = (
    "a the is not how cold warm ice door shelf lab fridge freezer din 13277 13271 5 c liter 280 "
    "ohne gefrierfach kuhl ##schrank ##s ##er ##ing ##e ##n labor ? . , : - query passage quiet loud"
).split()
QUERY = "how cold is the lab fridge?"
PASSAGES = [
    "the lab fridge is 5 c cold.",
    "DIN 13277, not DIN 13271: Laborkühlschrank ohne Gefrierfach",
    "",
    "warm " * 60,
    "ice \N{GRINNING FACE} \u05e9\u05dc\u05d5\u05dd \x00 door",
    "freezer",
]
TEXTS = [QUERY, *PASSAGES]
MAX_LENGTH = 32


def word_piece():
    """A BERT tokenizer of a few dozen pieces, with padding and truncation enabled as in
    many published files; a reader has to disable both."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = special + letters + ["##" + c for c in letters] + [w for w in WORDS if len(w.strip("#")) > 1 or not w.isalpha() and not w.startswith("##")]
    pieces = list(dict.fromkeys(pieces))
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.add_special_tokens(special)
    tokenizer.enable_padding(length=24, pad_id=0, pad_token="[PAD]")
    tokenizer.enable_truncation(max_length=24)
    return tokenizer, len(vocab)


def unigram():
    """An XLM-RoBERTa tokenizer of a few dozen pieces."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -3.0)]
    words = [w for w in WORDS if not w.startswith("##")]
    pieces += [("\u2581" + w, -4.0 - 0.1 * i) for i, w in enumerate(words) if len(w) > 1]
    pieces += [(w.strip("#"), -6.0) for w in WORDS if w.startswith("##") and len(w) > 3]
    pieces += [(c, -8.0 - 0.05 * i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz0123456789?.,:-")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer, len(pieces)


def randomize(model, seed):
    """Larger weights than at initialization, so that mistakes are visible in the output."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            scale = 0.3 if weight.dim() == 1 else weight.shape[-1] ** -0.5 * 1.5
            weight.copy_(noise * scale + (1.0 if "LayerNorm.weight" in name else 0.0))
    return model.eval()


def common(vocab_size, **more):
    return dict(vocab_size=vocab_size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=48, max_position_embeddings=40, **more)


def inputs(tokenizer, text, pair=None):
    """Truncates as the crate does: the end of the text, or of the second text of a pair."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH, strategy="only_first" if pair is None else "only_second")
    encoding = tokenizer.encode(text, pair)
    # A longer second text always leaves room in these examples.
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.no_truncation()
    uncut = len(whole.encode(text, pair).ids)
    return encoding, uncut - len(encoding.ids)


def run(model, encoding, segments=True):
    ids = torch.tensor([encoding.ids])
    kinds = torch.tensor([encoding.type_ids if segments else [0] * len(encoding.ids)])
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=kinds)


def embed(model, encoding, pooling):
    tokens = run(model, encoding).last_hidden_state[0]
    vector = tokens.mean(0) if pooling == "mean" else tokens[0]
    return (vector / vector.norm()).tolist()


def save(name, model, tokenizer, config, spec, golden, more_files=None):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    if model is not None:
        tensors = {k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
        safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
    for file, content in (more_files or {}).items():
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        write_json(path, content)
    write_json(folder / "golden.json", {"versions": VERSIONS, "spec": spec, **golden})


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n")


def config_of(model, architecture):
    keys = ("model_type vocab_size hidden_size embedding_size num_hidden_layers num_attention_heads "
            "intermediate_size max_position_embeddings type_vocab_size hidden_act layer_norm_eps "
            "pad_token_id").split()
    full = model.config.to_dict()
    config = {"architectures": [architecture], **{k: full[k] for k in keys if k in full}}
    if architecture.endswith("ForSequenceClassification"):
        config["id2label"] = {str(i): f"LABEL_{i}" for i in range(model.config.num_labels)}
    return config


def spec(name, role, pooling, query_prefix="", passage_prefix=""):
    return dict(name=name, role=role, pooling=pooling, query_prefix=query_prefix,
                passage_prefix=passage_prefix, max_length=MAX_LENGTH, license="CC0-1.0")


def bi_golden(tokenizer, model, pooling, query_prefix, passage_prefix):
    def side(prefix, texts):
        rows = []
        for text in texts:
            encoding, cut = inputs(tokenizer, prefix + text)
            rows.append({"text": text, "vector": embed(model, encoding, pooling), "tokens_cut": cut})
        return rows
    return {"queries": side(query_prefix, [QUERY]), "passages": side(passage_prefix, PASSAGES)}


def cross_golden(tokenizer, model, segments=True):
    rows = []
    for passage in PASSAGES:
        encoding, cut = inputs(tokenizer, QUERY, passage)
        logits = run(model, encoding, segments).logits[0].double()
        if len(logits) > 1:
            value = (torch.softmax(logits, 0) * torch.arange(len(logits))).sum().item()
        else:
            value = logits.item()
        rows.append({"passage": passage, "logit": value, "tokens_cut": cut})
    return {"query": QUERY, "pairs": rows}


SENTENCE_TRANSFORMERS = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "1_Pooling/config.json": {
        "word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    },
    "sentence_bert_config.json": {"max_seq_length": MAX_LENGTH, "do_lower_case": False},
    "config_sentence_transformers.json": {"prompts": {"query": "query: ", "passage": "passage: "}},
    "tokenizer_config.json": {"model_max_length": 512},
}


def bert_bi():
    tokenizer, size = word_piece()
    model = randomize(BertModel(BertConfig(**common(size), attn_implementation="eager")), 1)
    config = config_of(model, "BertModel")
    golden_spec = spec("tiny-bert-bi", "bi-encoder", "mean", "query: ", "passage: ")
    saved = Tokenizer.from_str(tokenizer.to_str())
    golden = bi_golden(tokenizer, model, "mean", "query: ", "passage: ")
    save("tiny-bert-bi", model, saved, config, golden_spec, golden, SENTENCE_TRANSFORMERS)
    return model, config, size


def cross(name, make, seed, tokenizer, segments=True, architecture=None):
    saved = Tokenizer.from_str(tokenizer.to_str())
    model = randomize(make(), seed)
    config = config_of(model, architecture or type(model).__name__)
    golden = cross_golden(tokenizer, model, segments)
    golden_spec = spec(name, "cross-encoder", "cls")
    if model.config.num_labels > 1:
        golden_spec["details"] = {"scoring": {"grades": list(range(model.config.num_labels))}}
    save(name, model, saved, config, golden_spec, golden)


def crosses():
    tokenizer, size = word_piece()
    bert = lambda labels, act: BertForSequenceClassification(
        BertConfig(**common(size), num_labels=labels, hidden_act=act, attn_implementation="eager"))
    cross("tiny-bert-cross", lambda: bert(1, "gelu"), 2, word_piece()[0])
    cross("tiny-bert-cross-3class", lambda: bert(3, "gelu_new"), 3, word_piece()[0])
    electra = ElectraConfig(**common(size), embedding_size=16, num_labels=1, attn_implementation="eager")
    cross("tiny-electra-cross", lambda: ElectraForSequenceClassification(electra), 4, word_piece()[0])
    tokenizer, size = unigram()
    xlmr = XLMRobertaConfig(**common(size), type_vocab_size=1, layer_norm_eps=1e-5, num_labels=1,
                            pad_token_id=1, bos_token_id=0, eos_token_id=2, attn_implementation="eager")
    cross("tiny-xlmr-cross", lambda: XLMRobertaForSequenceClassification(xlmr), 5, tokenizer, segments=False)


def onnx_int8():
    """The cross-encoder, exported to ONNX and quantized by ONNX Runtime; the reference runs
    the dequantized weights in f32."""
    tokenizer, size = word_piece()
    saved = Tokenizer.from_str(tokenizer.to_str())
    model = randomize(BertForSequenceClassification(
        BertConfig(**common(size), num_labels=1, attn_implementation="eager")), 6)
    folder = HERE / "tiny-onnx-cross"
    folder.mkdir(exist_ok=True)
    plain, quantized = folder / "plain.onnx", folder / "model.onnx"
    ids = torch.ones((1, 8), dtype=torch.long)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(model, (ids, ids, ids * 0), plain, input_names=names, output_names=["logits"],
                      dynamic_axes={n: {0: "b", 1: "l"} for n in names}, opset_version=17, dynamo=False)
    quantize_dynamic(plain, quantized, weight_type=QuantType.QInt8)
    dequantized = dequantize(onnx.load(quantized).graph)
    state = model.state_dict()
    for name, values in dequantized.items():
        assert state[name].shape == values.shape, name
        state[name] = torch.from_numpy(values.copy())
    missing = [n for n, v in state.items() if v.is_floating_point() and n not in dequantized]
    assert not missing, missing
    model.load_state_dict(state)
    plain.unlink()
    save("tiny-onnx-cross", None, saved, config_of(model, "BertForSequenceClassification"),
         spec("tiny-onnx-cross", "cross-encoder", "cls"), cross_golden(tokenizer, model))


def dequantize(graph):
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def weight(base):
        if base in constants:
            return constants[base]
        q, s, z = (constants[base + x] for x in ("_quantized", "_scale", "_zero_point"))
        return ((q.astype(np.float32) - z.astype(np.float32)) * s).astype(np.float32)

    out = {}
    for node in graph.node:
        if node.op_type in ("MatMulInteger", "MatMul") and node.input[1] in constants:
            base = node.input[1].removesuffix("_quantized")
            reader = readers[node.output[0]][0]
            while not (reader.op_type == "Add" and any(i.endswith(".bias") for i in reader.input)):
                reader = readers[reader.output[0]][0]
            bias = next(i for i in reader.input if i.endswith(".bias"))
            out[bias.removesuffix(".bias") + ".weight"] = np.ascontiguousarray(weight(base).T)
        if node.op_type == "Gather" and node.input[0].removesuffix("_quantized").endswith(".weight"):
            base = node.input[0].removesuffix("_quantized")
            out[base] = weight(base)
    for name, values in constants.items():
        if name.startswith(("bert.", "classifier.")) and values.ndim == 1 and values.dtype == np.float32 \
                and not name.endswith("_scale"):
            out[name] = values
    return out


def e5s1():
    """The bi-encoder in the E5S1 container; the reference runs the dequantized weights of
    the 4-bit blocks in f32."""
    tokenizer, size = word_piece()
    saved = Tokenizer.from_str(tokenizer.to_str())
    # Widths of whole blocks: 32 and 64.
    shape = {**common(size), "intermediate_size": 64}
    model = randomize(BertModel(BertConfig(**shape, attn_implementation="eager"), add_pooling_layer=False), 7)
    state = model.state_dict()
    tensors = {}

    def blocks(weight):
        rows = weight.numpy().reshape(-1, 32)
        largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1)
        d = (largest / -8).astype(np.float16)
        inverse = np.where(d == 0, 0, 1 / np.where(d == 0, 1, d).astype(np.float32))
        q = np.clip(np.floor(rows * inverse + 8.5), 0, 15).astype(np.uint8)
        packed = np.concatenate([d.view(np.uint8), q[:, :16] | (q[:, 16:] << 4)], 1)
        back = (q.astype(np.float32) - 8) * d.astype(np.float32)
        return packed.tobytes(), torch.from_numpy(back.reshape(weight.shape))

    def add(short, name, quantized):
        if quantized:
            raw, state[name] = blocks(state[name])
        else:
            raw = state[name].numpy().astype("<f4").tobytes()
        tensors[short] = (1 if quantized else 0, state[name].numel(), raw)

    add("emb.word", "embeddings.word_embeddings.weight", True)
    add("emb.pos", "embeddings.position_embeddings.weight", False)
    add("emb.type", "embeddings.token_type_embeddings.weight", False)
    add("emb.ln.w", "embeddings.LayerNorm.weight", False)
    add("emb.ln.b", "embeddings.LayerNorm.bias", False)
    linear = dict(q="attention.self.query", k="attention.self.key", v="attention.self.value",
                  ao="attention.output.dense", fi="intermediate.dense", fo="output.dense")
    norms = dict(aln="attention.output.LayerNorm", oln="output.LayerNorm")
    for layer in range(2):
        for short, name in {**linear, **norms}.items():
            full = f"encoder.layer.{layer}.{name}"
            add(f"l{layer}.{short}.w", full + ".weight", short in linear)
            add(f"l{layer}.{short}.b", full + ".bias", False)
    model.load_state_dict(state)

    head = b"E5S1" + struct.pack("<i", 1)
    head += struct.pack("<7i", 32, 2, 4, 64, size, 40, 2) + struct.pack("<fi", 1e-12, 32)
    head += struct.pack("<5i", 2, 0, 2, 1, 3) + struct.pack("<Q", 3)
    head += struct.pack("<3I", 0, 1, 3) + struct.pack("<2f", 0, 0) + b"abc"
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(tensors))
    directory_size = sum(2 + len(name) + 1 + 4 + 16 for name in tensors)
    offset, directory, body = len(head) + directory_size, b"", b""
    for name, (kind, count, raw) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BI", kind, count)
        directory += struct.pack("<QQ", offset + len(body), len(raw))
        body += raw
    folder = HERE / "tiny-e5s1-bi"
    folder.mkdir(exist_ok=True)
    (folder / "model.e5s1").write_bytes(head + directory + body)
    save("tiny-e5s1-bi", None, saved, config_of(model, "BertModel"),
         spec("tiny-e5s1-bi", "bi-encoder", "cls"), bi_golden(tokenizer, model, "cls", "", ""))


if __name__ == "__main__":
    bert_bi()
    crosses()
    onnx_int8()
    e5s1()
