"""The tiny CLIP's training loop: workers that average their weights.

Every worker is a process with one thread and batches of its own: on shared
cores several threads of one process would wait for the slowest of them.
"""

import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from tqdm import tqdm, trange

from ..world.pack import SpritePack
from .evaluate import crop_accuracy, evaluation_crops
from .growth import grow
from .model import (
    LOW,
    NATIVE,
    PIXELS,
    encode_both,
    encode_text,
    initialise,
    model_config,
)
from .optim import build_optimisers, rate_factor
from .pool import augment
from .text import BACKGROUND, CompactTokenizer, Names, build_token_ids

SYNC = 12  # steps between two averages


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the batch; targets are distributions, (B, C)."""
    return -(targets * logits.log_softmax(-1)).sum(-1).mean()


class Trainer:
    """One worker.

    Args:
        args: The command line.
        rank: Number of this worker.
        shared: (workers, n) float32 in shared memory, for averaging.
        barrier: Of all workers.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        rank: int,
        shared: torch.Tensor,
        barrier,
    ) -> None:
        self.args, self.rank = args, rank
        self.shared, self.barrier = shared, barrier
        torch.manual_seed(args.seed)
        self.pack = SpritePack()
        self.token_ids = ids = build_token_ids(self.pack)
        self.names = Names(self.pack, CompactTokenizer(ids))
        self.config = model_config(len(ids), args.width, args.layers)
        self.model = CLIP(**self.config)
        self.optimisers = build_optimisers(self.model, args)
        self.peaks = [
            [group['lr'] for group in optimiser.param_groups]
            for optimiser in self.optimisers
        ]
        self.images = np.load(args.work_dir / 'images.npy', mmap_mode='r')
        self.targets = torch.from_numpy(
            np.load(args.work_dir / 'targets.npy')
        ).float()
        self.pixels = [
            torch.tensor(PIXELS[k]).view(3, 1, 1) * 255
            for k in ('mean', 'std')
        ]
        rng = np.random.default_rng(args.seed)
        initialise(
            self.model, augment(self.images[:2048], LOW, rng, *self.pixels)
        )
        grow(self.model, args.grow_from)
        self.sets = evaluation_crops(self.pack, NATIVE) if rank == 0 else {}
        self.losses: list[float] = []

    def run(self) -> None:
        """Train to the last step, resuming from the saved state."""
        args, first = self.args, 0
        state = args.work_dir / 'state.pt'
        if state.exists():
            saved = torch.load(state)
            self.model.load_state_dict(saved['model'])
            for optimiser, old in zip(self.optimisers, saved['optimisers']):
                optimiser.load_state_dict(old)
            first = saved['step']
        low = int(args.steps * args.low_share)
        start = saved_at = time.time()
        steps = trange(
            first,
            args.steps,
            desc='steps',
            initial=first,
            total=args.steps,
            disable=self.rank > 0,
        )
        for step in steps:
            size = LOW if step < low else NATIVE
            self._step(step, size)
            done = step + 1
            if done % SYNC and done != args.steps:
                continue
            self._average()
            if self.rank:
                continue
            loss = f'{np.mean(self.losses):.3f}'
            scale = f'{self.model.logit_scale.exp().item():.1f}'
            steps.set_postfix(px=size, loss=loss, scale=scale)
            self.losses.clear()
            now = time.time()
            if done == args.steps or now - saved_at > args.save_every:
                self._save(state, done, (now - start) / 60)
                saved_at = time.time()

    def _step(self, step: int, size: int) -> None:
        # the step decides its own randomness: a resumed run is the same
        args = self.args
        rng = np.random.default_rng([args.seed, 5, step, self.rank])
        chosen, smallest = self._choose(step, rng)
        images = augment(
            self.images[chosen], size, rng, *self.pixels, smallest
        )
        targets = self.targets[chosen]
        factor = rate_factor(step, args.steps)
        for optimiser, peaks in zip(self.optimisers, self.peaks):
            optimiser.zero_grad(set_to_none=True)
            for group, peak in zip(optimiser.param_groups, peaks):
                group['lr'] = peak * factor
        text = encode_text(self.model, self.names.sample(rng))  # (C + 1, D)
        image, patches = encode_both(self.model.visual, images)  # (B, D)
        scale, weight = self.model.logit_scale.exp(), args.patch_weight
        loss = cross_entropy(scale * image @ text.T, targets)
        extra = cross_entropy(scale * patches @ text.T, targets)
        (loss + weight * extra).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))
        # targets are distributions: subtract the part no model can reach
        entropy = -(targets * targets.clamp_min(1e-9).log()).sum(-1).mean()
        self.losses.append(float(loss.detach() - entropy))

    def _choose(self, step: int, rng) -> tuple[np.ndarray, float]:
        """Numbers of pictures and the smallest random crop.

        It begins with the easiest pictures, nearly whole: tight crops.
        """
        args, easy = self.args, step < self.args.easy_share * self.args.steps
        tight = round(args.batch * (0.85 if easy else 0.3))
        mixed = rng.choice(args.pool, args.batch - tight, False)
        extra = rng.choice(np.arange(args.pool, len(self.images)), tight)
        return np.sort(np.concatenate([mixed, extra])), 0.85 if easy else 0.74

    def _tensors(self) -> list[torch.Tensor]:
        out = [parameter.data for parameter in self.model.parameters()]
        for optimiser in self.optimisers:
            for state in optimiser.state.values():
                out += [v for v in state.values() if v.ndim]
        return out

    def _average(self) -> None:
        """Replace weights and moments by their mean over the workers."""
        if len(self.shared) == 1:
            return
        tensors = self._tensors()
        flat = torch.cat([t.flatten() for t in tensors])
        self.shared[self.rank, : len(flat)] = flat
        self.barrier.wait()
        mean, offset = self.shared.mean(0), 0
        self.barrier.wait()
        for tensor in tensors:
            part = mean[offset : offset + tensor.numel()]
            tensor.copy_(part.view_as(tensor))
            offset += tensor.numel()

    def _save(self, state: Path, done: int, minutes: float) -> None:
        with torch.no_grad():
            text = encode_text(self.model, self.names.plain[:-1])
            scores = {
                name: round(
                    crop_accuracy(self.model, *crops, text, self.pixels), 1
                )
                for name, crops in self.sets.items()
            }
        tqdm.write(f'== step {done} {minutes:.1f} min crop top-1 {scores}')
        notes = {
            k: v for k, v in vars(self.args).items() if not isinstance(v, Path)
        }
        notes.update(steps_done=done, crop_top1=scores)
        self._export(notes)
        torch.save(
            dict(
                model=self.model.state_dict(),
                step=done,
                optimisers=[o.state_dict() for o in self.optimisers],
            ),
            state,
        )

    def _export(self, notes: dict) -> None:
        """Write weights (fp16) and their description."""
        out = self.args.out
        out.mkdir(parents=True, exist_ok=True)
        path = out / 'tiny_clip.safetensors'
        save_file(
            {
                k: v.detach().half().contiguous()
                for k, v in self.model.state_dict().items()
            },
            path,
        )
        seen = [c for c in self.pack.classes if c not in self.pack.unseen]
        info = dict(
            model_cfg=self.config,
            token_ids=self.token_ids,
            preprocess_cfg=PIXELS,
            background=BACKGROUND,
            classes=seen,
            pack_sha256=self.pack.sha256,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            training=notes,
        )
        (out / 'tiny_clip.json').write_text(json.dumps(info) + '\n')
