"""One contestant of `cargo xtask bench training`: PyTorch.

    python training.py JOB.json

Loads the model, tries several sizes of micro-batches, and says "ready" in a line of JSON. Then
"run" is answered by the milliseconds of one step, the mean of all steps of a training that begins
at the base anew, and "scores" by the loss and the number of tokens of each step.

The work is that of benches/training.rs: AdamW over whole lists, all layers but the table of words,
attention by PyTorch's scaled_dot_product_attention, and products in bf16 by autocast where the job
says so. Lists are sorted by length; gradients of micro-batches are summed before each step.
Tokenizing is no part of the work.
"""

import contest  # before the libraries, which print

import json
import os
import sys
import time

import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification

MICRO_BATCHES = [1, 2, 4, 8, 16]
WEIGHT_DECAY = 0.01
CLIP = 1.0


class Work:
    def __init__(self, job):
        self.job = job
        torch.set_num_threads(job["threads"])
        tokenizer = Tokenizer.from_file(os.path.join(job["base"], "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(job["max_length"], strategy="only_second")
        with open(job["data"], encoding="utf-8") as lines:
            lists = [json.loads(line) for line in lines]
        self.lists = [
            ([tokenizer.encode(one["query"], passage) for passage in one["passages"]], one["scores"])
            for one in lists
        ]
        self.lists.sort(key=lambda one: max(len(pair.ids) for pair in one[0]))
        self.n_tokens = sum(len(pair.ids) for pairs, _ in self.lists for pair in pairs)

    def batches(self, size):
        """Micro-batches of lists, each padded to its longest pair."""
        made = []
        for start in range(0, len(self.lists), size):
            lists = self.lists[start : start + size]
            pairs = [pair for pairs, _ in lists for pair in pairs]
            width = max(len(pair.ids) for pair in pairs)
            pad = lambda values: values + [0] * (width - len(values))
            made.append(
                {
                    "ids": torch.tensor([pad(pair.ids) for pair in pairs]),
                    "segments": torch.tensor([pad(pair.type_ids) for pair in pairs]),
                    "mask": torch.tensor([pad([1] * len(pair.ids)) for pair in pairs]),
                    "wanted": [torch.softmax(torch.tensor(scores), 0) for _, scores in lists],
                }
            )
        return made

    def steps(self, n, size):
        """Milliseconds of each of `n` steps, and their losses."""
        model = AutoModelForSequenceClassification.from_pretrained(self.job["base"], dtype=torch.float32)
        model.eval()  # without dropout
        for name, parameter in model.named_parameters():
            if "word_embeddings" in name:
                parameter.requires_grad = False
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.job["rate"], betas=(0.9, 0.999), eps=1e-8)
        is_bf16 = self.job["precision"] == "bf16"
        batches = self.batches(size)
        times, losses = [], []
        for step in range(n):
            for group in optimizer.param_groups:
                group["lr"] = self.job["rate"] * (1 - step / n)
            start = time.perf_counter()
            optimizer.zero_grad()
            total = 0.0
            for batch in batches:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
                    logits = model(
                        input_ids=batch["ids"], token_type_ids=batch["segments"], attention_mask=batch["mask"]
                    ).logits[:, 0]
                logits = logits.float()
                losses_of_lists, at = [], 0
                for wanted in batch["wanted"]:
                    found = torch.log_softmax(logits[at : at + len(wanted)], 0)
                    losses_of_lists.append(-(wanted * found).sum())
                    at += len(wanted)
                loss = torch.stack(losses_of_lists).sum() / len(self.lists)
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(trained, CLIP)
            optimizer.step()
            times.append((time.perf_counter() - start) * 1000)
            losses.append(total)
        return times, losses


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    transformers.utils.logging.disable_progress_bar()
    work = Work(job)
    # The second step is timed: the first allocates and compiles.
    tried = {size: work.steps(2, size)[0][1] for size in MICRO_BATCHES if size <= len(work.lists)}
    best = min(tried, key=tried.get)
    losses = []

    def run():
        nonlocal losses
        times, losses = work.steps(job["steps"], best)
        return sum(times) / len(times)

    ready = {
        "settings": f"micro-batches of {best} lists, padded",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    contest.serve(ready, {"run": run, "scores": lambda: [[loss, work.n_tokens] for loss in losses]})


main()
