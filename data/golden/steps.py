"""The steps of a training with PyTorch, which train.py and train_bi.py share."""

import torch

MAX_LENGTH = 24
STEPS = 6
RATE = 2e-3
WARM_UP = 2
WEIGHT_DECAY = 0.1
CLIP = 1.0
TEMPERATURE = 2.0

# As they are written beside the results.
SETTINGS = {
    "max_length": MAX_LENGTH, "steps": STEPS, "rate": RATE, "warm_up": WARM_UP / STEPS,
    "weight_decay": WEIGHT_DECAY, "clip": CLIP, "temperature": TEMPERATURE,
}


def share(step):
    """The learning rate of a step, from 0, as a share of the largest."""
    if step + 1 <= WARM_UP:
        return (step + 1) / WARM_UP
    return 1 - (step - WARM_UP) / (STEPS - WARM_UP)


def train(model, loss_of):
    """Trains without dropout, and returns the loss and the norm of the gradient of every step."""
    model.eval()
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * share(step)
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    return {"losses": losses, "norms": norms}
