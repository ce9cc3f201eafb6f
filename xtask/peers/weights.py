"""Model folders as the product keeps them, read into transformers' BERT.

Two forms of weights: `model.safetensors`, and `model.onnx` whose matrices and
embeddings were quantized to int8 by ONNX Runtime. The latter are turned back into
f32, W = (q - zero_point) * scale, so that every peer starts from the same numbers.
"""

import json
import os

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel


def load_bert(folder, cross):
    """The model of `folder` in f32, as a cross-encoder or a bare encoder."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        settings = json.load(file)
    config = BertConfig(**settings, attn_implementation="sdpa")
    if cross:
        config.num_labels = 1
        model = BertForSequenceClassification(config)
    else:
        model = BertModel(config, add_pooling_layer=False)
    given = {name: torch.from_numpy(np.array(value)) for name, value in _read(folder).items()}
    wanted = model.state_dict()
    # Folders cut down to fewer layers keep the weights of the rest, which nobody asks for.
    state = {}
    for name in wanted:
        bare = name.removeprefix("bert.")
        found = next((n for n in (name, bare, "bert." + bare) if n in given), None)
        if found is None:
            raise KeyError(f"{folder}: there is no weight named {name}; pull the model again")
        state[name] = given[found]
    model.load_state_dict(state)
    return model.eval()


def _read(folder):
    path = os.path.join(folder, "model.safetensors")
    if os.path.exists(path):
        from safetensors.numpy import load_file

        return load_file(path)
    return _read_onnx(os.path.join(folder, "model.onnx"))


def _read_onnx(path):
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    weights = {name: value for name, value in stored.items() if value.dtype == np.float32 and value.ndim == 1}
    for node in graph.node:
        quantized = [name for name in node.input if name in stored and name.endswith("_quantized")]
        if not quantized:
            continue
        base = quantized[0].removesuffix("_quantized")
        value = _dequantize(stored, base)
        if node.op_type == "Gather":
            weights[base] = value
        elif node.op_type == "MatMulInteger":
            # The exporter dropped the matrix's name: the bias added to its product has it.
            bias = _bias_after(node, readers, stored)
            weights[bias.removesuffix(".bias") + ".weight"] = np.ascontiguousarray(value.T)
    return weights


def _dequantize(stored, base):
    scale = stored[base + "_scale"].astype(np.float32)
    zero = stored[base + "_zero_point"].astype(np.int32)
    return ((stored[base + "_quantized"].astype(np.int32) - zero) * scale).astype(np.float32)


def _bias_after(node, readers, stored):
    for _ in range(6):
        node = readers[node.output[0]][0]
        biases = [name for name in node.input if name in stored and name.endswith(".bias")]
        if node.op_type == "Add" and biases:
            return biases[0]
    raise ValueError("a quantized matrix product without a bias; this is no BERT export")
