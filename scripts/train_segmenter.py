"""Train the weights that t2disc ships: ``train_segmenter.py REAL_FOLDER OUT`` (extra ``train``; two cores will do).

Real people of REAL_FOLDER are split by person, see ``segmenter/real.py``; simulated scenes are drawn from their seeds.
The same seed and steps give the same weights on the same machine and versions.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parent))

from segmenter.batches import Batches
from segmenter.loss import loss_of
from segmenter.net import Segmenter, to_onnx
from segmenter.real import load_person, slice_files, split
from segmenter.simulated import scene_folder

from t2disc.segment.slices import N_CHANNELS

PEAK_RATE, WEIGHT_DECAY = 3e-3, 1e-3
AVERAGED = 0.998  # decay of the running average of the weights, which is what ships
REPORT_EVERY = 50
SAVE_EVERY = 500


def main() -> None:
    options = _options()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    files = slice_files(options.real)
    trained_on, held_out = split(list(files))
    print(f"trained on {trained_on}; held out {held_out}", flush=True)
    people = [load_person(name, files[name]) for name in trained_on] if options.share_real > 0 else []
    scenes = scene_folder(options.scenes_folder, options.scenes, options.threads) if options.scenes else []
    batches = Batches(people, scenes, options.steps, options.seed, options.share_real)
    net = Segmenter(N_CHANNELS, 5).to(memory_format=torch.channels_last)
    if options.start:
        net.load_state_dict(torch.load(options.start))
    averaged = train(net, batches, options)
    save(averaged, options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="folder with images/ and masks/ of real people")
    parser.add_argument("out", type=Path, help="ONNX file to write")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--scenes", type=int, default=1500, help="simulated scenes; 0 for none")
    parser.add_argument("--scenes-folder", type=Path, default=Path("scenes"), help="where scenes are kept")
    parser.add_argument("--share-real", type=float, default=0.5)
    parser.add_argument("--rate", type=float, default=PEAK_RATE)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path, help="weights (.pt) to start from")
    return parser.parse_args()


def train(net: Segmenter, batches: Batches, options: argparse.Namespace) -> Segmenter:
    """Return the running average of the network over its training."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=WEIGHT_DECAY)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.rate, total_steps=options.steps, pct_start=0.08)
    averaged = copy.deepcopy(net)
    losses, started = [], time.time()
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=12)
    net.train()
    for step, batch in enumerate(loader, start=1):
        loss = loss_of(net(batch.images.contiguous(memory_format=torch.channels_last)), batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        plan.step()
        average(averaged, net, min(AVERAGED, step / (step + 10)))
        losses.append(loss.item())
        if step % REPORT_EVERY == 0:
            mean = float(np.mean(losses[-REPORT_EVERY:]))
            print(f"step {step} loss {mean:.4f} {(time.time() - started) / step:.3f} s/step", flush=True)
        if step % SAVE_EVERY == 0:
            save(averaged, options.out)
    return averaged


@torch.no_grad()
def average(averaged: Segmenter, net: Segmenter, decay: float) -> None:
    """Move the running average a little towards the network."""
    for mean, now in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(now, 1 - decay)


def save(net: Segmenter, out: Path) -> None:
    """Write the ONNX file, and the weights beside it for going on."""
    content = to_onnx(copy.deepcopy(net).eval())
    out.write_bytes(content)
    torch.save(net.state_dict(), out.with_suffix(".pt"))
    print(f"{out.name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}", flush=True)


if __name__ == "__main__":
    main()
