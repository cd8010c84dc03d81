"""What the training minimises: cross entropy with soft labels and soft Dice; an undrawn sacrum is no background."""

from __future__ import annotations

import torch
from torch import Tensor

from segmenter.batches import Batch

DICE_SHARE = 0.5


def loss_of(logits: Tensor, batch: Batch) -> Tensor:
    """Return the loss of logits ``(N, 5, h, w)``."""
    log_p = torch.log_softmax(logits, dim=1)
    background = (1 - batch.labels.sum(dim=1, keepdim=True)).clamp(0, 1)
    target = torch.cat([background, batch.labels], dim=1)
    hidden = ~batch.sacrum[:, None, None]  # the sacrum may be anywhere in the background of these
    either = torch.logaddexp(log_p[:, 0], log_p[:, 4])
    log_p = torch.cat([torch.where(hidden, either, log_p[:, 0])[:, None], log_p[:, 1:]], dim=1)
    entropy = -(target * log_p).sum(dim=1)  # without class weights: they would move every edge outwards
    cross = (entropy * batch.weight).sum() / batch.weight.sum()
    return cross + DICE_SHARE * _dice_loss(log_p.exp(), target, batch)


def _dice_loss(p: Tensor, target: Tensor, batch: Batch) -> Tensor:
    weight = batch.weight[:, None].expand_as(p).clone()
    weight[:, 4] *= batch.sacrum[:, None, None]
    both = (weight * p * target).sum(dim=(0, 2, 3))
    sizes = (weight * (p * p + target * target)).sum(dim=(0, 2, 3))
    return 1 - ((2 * both[1:] + 1) / (sizes[1:] + 1)).mean()
