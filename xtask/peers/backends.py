"""The contestants: each is a list of variants, of which the caller keeps the fastest.

A variant takes the token ids, mask and segments of one padded batch as int64 arrays
and returns one row per text: the logit, or the first token's unit vector.
"""

import os
import sys

import numpy as np
import torch

from weights import load_bert


class Rows(torch.nn.Module):
    """A BERT with what the work asks of it on top."""

    def __init__(self, bert, cross):
        super().__init__()
        self.bert = bert
        self.cross = cross

    def forward(self, ids, mask, segments):
        output = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=segments)
        if self.cross:
            return output.logits
        return torch.nn.functional.normalize(output.last_hidden_state[:, 0].float(), dim=-1)


class TorchVariant:
    """PyTorch with scaled-dot-product attention."""

    def __init__(self, name, module, autocast=False):
        self.name, self.module, self.autocast = name, module, autocast

    def set_threads(self, n_threads):
        torch.set_num_threads(n_threads)

    # PyTorch counts its threads for each thread that calls it.
    enter_thread = set_threads

    def rows(self, ids, mask, segments):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            # Without padding there is nothing to mask, and attention is faster for it.
            mask = None if mask.all() else torch.from_numpy(mask)
            rows = self.module(torch.from_numpy(ids), mask, torch.from_numpy(segments))
        return rows.float().numpy()


class OrtVariant:
    """ONNX Runtime on the CPU with every optimization of the graph."""

    def __init__(self, name, path, cross):
        self.name, self.path, self.cross = name, path, cross
        self.sessions = {}
        self.session = None

    def set_threads(self, n_threads):
        import onnxruntime

        if n_threads not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = n_threads
            options.inter_op_num_threads = 1
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            # Threads may spin within a run, but not while others have their turn.
            options.add_session_config_entry("session.force_spinning_stop", "1")
            self.sessions[n_threads] = onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        self.session = self.sessions[n_threads]

    def enter_thread(self, n_threads):
        pass

    def rows(self, ids, mask, segments):
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
        rows = self.session.run(None, inputs)[0]
        if self.cross:
            return rows
        if rows.ndim == 3:  # a published export ends with every token's vector
            rows = rows[:, 0]
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def variants(job):
    """The variants of the job's backend for its model."""
    backend, folder, cross = job["backend"], job["model"], job["query"] is not None
    if backend == "torch-f32":
        found = _torch(folder, cross, torch.float32)
    elif backend == "torch-bf16":
        whole = Rows(load_bert(folder, cross), cross)
        found = [*_torch(folder, cross, torch.bfloat16), TorchVariant("autocast", whole, autocast=True)]
    elif backend == "ort-f32":
        return [OrtVariant(name, path, cross) for name, path in _f32(folder, cross, job["exports"])]
    elif backend == "ort-int8":
        return [OrtVariant(name, path, cross) for name, path in _int8(job, cross)]
    else:
        raise ValueError(f"there is no backend {backend}")
    if job["compile"]:
        first = found[0]
        found.append(TorchVariant("compiled", torch.compile(first.module, dynamic=True)))
    return found


def _torch(folder, cross, dtype):
    plain = Rows(load_bert(folder, cross).to(dtype), cross)
    found = [TorchVariant("plain", plain)]
    try:
        packed = Rows(_pack(load_bert(folder, cross).to(dtype)), cross)
        found.append(TorchVariant("packed", packed))
    except RuntimeError as error:  # not every processor can pack every type
        print(f"    packed: {error}", file=sys.stderr)
    return found


class PackedLinear(torch.nn.Module):
    """A linear layer whose weights lie as oneDNN wants them.

    This is what PyTorch's compiler makes of a frozen model; where the default is a
    library that is slow on the processor, it doubles the speed of f32.
    """

    def __init__(self, linear):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias.detach()

    def forward(self, x):
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


@torch.inference_mode()
def _pack(module):
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Linear):
            setattr(module, name, PackedLinear(child))
        else:
            _pack(child)
    return module


def _f32(folder, cross, exports):
    plain = os.path.join(exports, "plain.onnx")
    fused = os.path.join(exports, "fused.onnx")
    if not os.path.exists(fused):
        os.makedirs(exports, exist_ok=True)
        model = load_bert(folder, cross)
        # The fusions of ONNX Runtime know the plain form of attention.
        model.set_attn_implementation("eager")
        _export(Rows(model, cross), plain)
        _fuse(model.config, plain, fused)
    return [("plain", plain), ("fused", fused)]


def _export(module, path):
    ids = torch.ones((2, 16), dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with torch.inference_mode():
        torch.onnx.export(
            module,
            (ids, torch.ones_like(ids), torch.zeros_like(ids)),
            path,
            input_names=names,
            output_names=["rows"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in names} | {"rows": {0: "texts"}},
            opset_version=17,
            dynamo=False,
        )


def _fuse(config, plain, fused):
    from onnxruntime.transformers import optimizer

    model = optimizer.optimize_model(
        plain,
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=1,
    )
    model.save_model_to_file(fused)


def _int8(job, cross):
    folder, exports = job["model"], job["exports"]
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    found = []
    for name, source in _f32(folder, cross, exports):
        for kind, per_channel in (("", False), (" per channel", True)):
            path = os.path.join(exports, f"{name}{kind.replace(' ', '-')}-int8.onnx")
            if not os.path.exists(path):
                # Shapes behind fused nodes are not inferred; all of them are floats.
                options = {"DefaultTensorType": TensorProto.FLOAT}
                quantize_dynamic(
                    source, path, weight_type=QuantType.QInt8, per_channel=per_channel, extra_options=options
                )
            found.append((name + kind, path))
    shipped = os.path.join(folder, "model.onnx")
    # A folder cut down to fewer layers still holds the whole graph.
    if os.path.exists(shipped) and job["shipped"]:
        found.append(("as shipped", shipped))
    return found
