"""The step as the authors' released code takes it, on networks of ours.

Same networks, same losses, same batch; what differs is how: the last block
holds its attention maps, the context loss holds its correlation matrices and
autograd keeps both, the teachers compute every token, AMP is fp16 with loss
scaling on a GPU, the optimiser is the plain one. Source: the release
of DeCLIP (CVPR 2025), read and written anew.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import DecoupledDistiller
from ..models.regions import box_features
from ..models.towers import Tower

__all__ = ['ReferenceStep', 'held_attention', 'reference_dense']


def held_attention(
    q: Tensor, k: Tensor, v: Tensor, affinity: str, scale: float
) -> Tensor:
    """Decoupled attention with its maps (B, A, T, T) in memory."""
    maps = [
        torch.softmax(x @ x.transpose(-2, -1) * scale, dim=-1)
        for x in dict(qq=(q,), kk=(k,), csa=(q, k))[affinity]
    ]
    return sum(maps[1:], maps[0]) @ v


def reference_dense(
    tower: Tower, image: Tensor, affinity: str, scale: float
) -> tuple[Tensor, list[Tensor]]:
    """Content map (B, C, h, w) and context tokens (B, N, D) of the student."""
    x, grid = tower.embed(image)
    for index in range(tower.num_layers - 1):
        x = tower.run_block(index, x, grid)
    q, k, v = tower.last_qkv(x)
    merged = tower.merge_heads(held_attention(q, k, v, affinity, scale))
    content = tower.project(merged[:, tower.num_prefix :])
    chosen = dict(qq=(q,), kk=(k,), csa=(q, k))[affinity]
    context = [
        c[:, :, tower.num_prefix :].transpose(1, 2).flatten(2) for c in chosen
    ]
    return content.transpose(1, 2).unflatten(2, grid), context


class ReferenceStep:
    """A whole step: losses, backward pass, optimiser.

    Args:
        model: A distiller on its device; its student and teachers are
            copied, so that nothing that is done to them shows here.
        optimizer: Options of ``torch.optim.AdamW``.
    """

    def __init__(self, model: DecoupledDistiller, optimizer: dict) -> None:
        block = model.backbone.last_block
        self.affinity, self.scale = block.affinity, block.scale
        if self.affinity not in ('qq', 'kk', 'csa'):
            raise ValueError(
                f'the reference knows affinity qq, kk and csa, got '
                f'{self.affinity!r}: benchmark a config with one of them.'
            )
        self.weights = model.content_weight, model.context_weight
        self.preprocess = model.data_preprocessor
        self.student: Tower = copy.deepcopy(model.backbone.visual)
        self.crop_teacher: Tower = copy.deepcopy(
            model.content_teacher.backbone.visual
        )
        self.vfm = copy.deepcopy(model.context_teacher)
        trained = [p for p in self.student.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, **optimizer)
        self.device = next(self.student.parameters()).device
        on_gpu = self.device.type == 'cuda'
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=on_gpu)

    @contextmanager
    def _precision(self) -> Iterator[None]:
        on_gpu = self.device.type == 'cuda'
        with torch.autocast(self.device.type, torch.float16, enabled=on_gpu):
            yield

    def losses(self, data: dict) -> tuple[Tensor, Tensor]:
        """Content and context loss of a collated batch."""
        batch = self.preprocess(data, True)
        inputs, samples = batch['inputs'], batch['data_samples']
        with self._precision():
            content, context = reference_dense(
                self.student, inputs['image'], self.affinity, self.scale
            )
            regions = box_features(content, [s.boxes for s in samples])
            with torch.no_grad():
                crops = self._embed(inputs['crops'])
                vfm = self.vfm(inputs['vfm'])
            cosine = F.cosine_similarity(regions, crops.float(), dim=-1)
            return 1 - cosine.mean(), held_context_loss(context, vfm)

    def _embed(self, crops: Tensor) -> Tensor:
        """(K, 3, c, c) -> (K, C), every block over every token."""
        tower = self.crop_teacher
        x, grid = tower.embed(crops)
        for index in range(tower.num_layers):
            x = tower.run_block(index, x, grid)
        return F.normalize(tower.pool(x), dim=-1)

    def __call__(self, data: dict) -> None:
        content, context = self.losses(data)
        loss = self.weights[0] * content + self.weights[1] * context
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()


def held_context_loss(context: list[Tensor], vfm: Tensor) -> Tensor:
    """Eq. 8-9 with the correlation matrices (B, N, N) in memory.

    Args:
        context: Tokens (B, N, D) of the student.
        vfm: Map (B, D', h, w) of the VFM on the same grid.
    """
    units = [F.normalize(c, dim=-1) for c in context]
    ours = sum(u @ u.transpose(1, 2) for u in units) / len(units)
    unit = F.normalize(vfm.flatten(2).transpose(1, 2), dim=-1)
    theirs = unit @ unit.transpose(1, 2)
    return torch.linalg.vector_norm(
        ours - theirs.to(ours.dtype), dim=-1, dtype=torch.float32
    ).mean()
