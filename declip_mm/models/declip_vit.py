"""DeCLIPViT: a CLIP ViT as a backbone for dense perception."""

import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..checkpoint import FINGERPRINT_KEY, load_image_tower, read_checkpoint
from .features import DenseFeatures, check_image, to_map
from .freezing import freeze_tower, param_depth
from .last_block import LastBlock
from .origin import fill_backbone, resolve_origin
from .pretrained import described_model, find_weights
from .towers import (
    ModelConfig,
    build_tower,
    say_unchecked,
    settle_activation,
)

__all__ = ['DeCLIPViT']


@MODELS.register_module()
class DeCLIPViT(BaseModule):
    """CLIP ViT whose last stage is split into content and context.

    Paper: *DeCLIP: Decoupled Learning for Open-Vocabulary Dense Perception*
    (CVPR 2025), eq. 4-6. The last stage is the last block; of a tower that
    pools with attention (SigLIP, SigLIP 2, PE-Core) it is the pooling head,
    which counts as one more stage after the blocks.

    Args:
        model: open_clip model name, ``.json`` path or config dict.
        pretrained: Weight file or open_clip tag, loaded by
            :meth:`init_weights`. A tag may be downloaded then.
        affinity: How the last stage relates tokens: one of ``'qq'``,
            ``'kk'``, ``'vv'``, ``'csa'``, ``'all'`` (decoupled),
            ``'maskclip'``, ``'maskclip_cls'``, ``'vanilla'`` (baselines).
        scale: Logit scale of the decoupled block: a float or ``'rsqrt'``.
        residual: Add the block's input to its attention output. None is the
            affinity's own form: no for decoupled ones.
        ffn: Run the block's FFN. None as for ``residual``. A pooling head
            takes neither option.
        quick_gelu: Activation of an OpenAI-type ViT. None takes what the
            model, the tag or the file says; where nothing tells, GELU, with a
            warning. Otherwise it has to agree with them.
        out_indices: Stages whose maps :meth:`forward` returns; negative
            numbers count from the end.
        last_tap: What a map of the last stage is made of: ``'decoupled'``
            (its attention output), ``'vanilla'`` or ``'maskclip'``.
        frozen_stages: -1 freezes nothing; 0 the stem (patch, CLS and
            position embedding); n also the first n stages.
        train_head: Whether the final norm and the projection train.
        norm_eval: Keep norm layers in eval mode.
        with_cp: Recompute blocks in the backward pass to save memory: True
            all of them, a number the first so many, for a budget.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix=...)``
            loads strictly and compares fingerprints.
    """

    _is_init: bool  # mmengine's

    def __init__(
        self,
        model: ModelConfig = 'EVA02-B-16',
        pretrained: str | None = None,
        *,
        affinity: str = 'csa',
        scale: float | str = 'rsqrt',
        residual: bool | None = None,
        ffn: bool | None = None,
        quick_gelu: bool | None = None,
        out_indices: Sequence[int] = (-1,),
        last_tap: str = 'decoupled',
        frozen_stages: int = -1,
        train_head: bool = True,
        norm_eval: bool = False,
        with_cp: bool | int = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pretrained is not None and init_cfg is not None:
            raise ValueError(
                f'pretrained={pretrained!r} and init_cfg={init_cfg!r} are '
                'both given; only one of them can fill the backbone.'
            )
        origin = resolve_origin(model, pretrained, quick_gelu, init_cfg)
        self.model = model if isinstance(model, str) else 'custom'
        self.pretrained, self.tag = origin.pretrained, origin.tag
        self.architecture = origin.architecture(model)
        #: What says the activation, and the fingerprint of the file that
        #: filled the tower.
        self.activation_by = origin.activation.by
        self.file_says: dict[str, Any] = {}
        self.visual = build_tower(origin.config, origin.activation.quick_gelu)
        self.pixel_mean = origin.pixels('mean', self.visual)
        self.pixel_std = origin.pixels('std', self.visual)
        self.last_block = LastBlock(
            self.visual, affinity, scale, residual, ffn, last_tap
        )
        self.out_indices = self._resolve_indices(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.with_cp = self._check_cp(with_cp)
        self.compiled = False
        freeze_tower(self, frozen_stages, train_head)

    @classmethod
    def from_pretrained(
        cls,
        source: str,
        *,
        filename: str | None = None,
        revision: str | None = None,
        prefix: str | None = None,
        model: ModelConfig | None = None,
        affinity: str | None = None,
        scale: float | str | None = None,
        **options: Any,
    ) -> 'DeCLIPViT':
        """Build a backbone and fill it, as the file's fingerprint says.

        Args:
            source: Weight file, folder, or ``user/repository`` on the hub.
            filename, revision: See :func:`find_weights`.
            prefix: Where the backbone is in a detector's or segmentor's
                checkpoint, such as ``'backbone.'``.
            model, affinity, scale: As in the constructor. Needed where the
                file does not say; where it does, they have to agree.
            options: Further arguments of the constructor.

        Returns:
            The backbone, filled strictly, in eval mode.

        Raises:
            ValueError: The file does not say what it is, and nor does the
                call; or the two contradict each other.

        Example:
            >>> model = DeCLIPViT.from_pretrained('exported.safetensors')
        """
        path = find_weights(source, filename, revision)
        weights, meta = read_checkpoint(path)
        said = meta.get(FINGERPRINT_KEY, {})
        named = model is None
        if model is None:
            model = described_model(said, weights, path)
        given = dict(affinity=affinity, scale=scale)
        for name, value in given.items():
            if value is None and name not in said:
                raise ValueError(
                    f'{path} does not say with which {name} it was trained. '
                    f'Give {name}=..., or convert the file first: '
                    'tools/model_converters/convert.py.'
                )
            options[name] = said[name] if value is None else value
        quick_gelu = options.pop('quick_gelu', None)
        activation = settle_activation(model, path, quick_gelu)
        backbone = cls(model, quick_gelu=activation.quick_gelu, **options)
        if backbone.visual.activation == 'gelu' and not activation.by:
            say_unchecked(path, 'image tower')
        if named and 'architecture' in said:
            # the name that its config had, which an architecture has not
            backbone.model = said.get('model', backbone.model)
        for name in ('pixel_mean', 'pixel_std'):
            if named and name in said:  # a tag has its own at times
                setattr(backbone, name, tuple(said[name]))
        backbone.activation_by = activation.by
        backbone.file_says = load_image_tower(
            backbone.visual.trunk, path, backbone.fingerprint, prefix
        )
        backbone._is_init = True
        return backbone.eval()

    def _resolve_indices(self, indices: Sequence[int]) -> tuple[int, ...]:
        depth = self.visual.num_stages
        wrong = [i for i in indices if not -depth <= i < depth]
        if wrong:
            raise ValueError(
                f'stage indices {wrong} are out of range: {self.model} has '
                f'{depth} stages, allowed are {-depth} to {depth - 1}.'
            )
        return tuple(i % depth for i in indices)

    def _check_cp(self, with_cp: bool | int) -> bool | int:
        depth = self.visual.num_layers
        whole = isinstance(with_cp, (bool, int))
        if not whole or not 0 <= with_cp <= depth:
            raise ValueError(
                f'with_cp={with_cp!r}: allowed are True, False and how many '
                f'of the {depth} blocks of {self.model} are recomputed.'
            )
        return with_cp

    @property
    def fingerprint(self) -> dict:
        """What decides this backbone's features (plain values)."""
        tower = self.visual
        return dict(
            model=os.path.basename(self.model),
            width=tower.width,
            num_layers=tower.num_layers,
            num_heads=tower.num_heads,
            patch_size=tower.patch_size,
            native_size=tower.native_size,
            out_dim=tower.out_dim,
            activation=tower.activation,
            pixel_mean=list(self.pixel_mean),
            pixel_std=list(self.pixel_std),
            affinity=self.last_block.affinity,
            scale=self.last_block.scale,
            decoupling=tower.decoupling,
        )

    def init_weights(self) -> None:
        """Fill the tower from ``pretrained`` or ``init_cfg``, strictly."""
        if not self._is_init:
            fill_backbone(self, self.init_cfg)
            self._is_init = True

    def train(self, mode: bool = True) -> 'DeCLIPViT':
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.LayerNorm):
                    module.eval()
        return self

    def get_layer_depth(
        self, param_name: str, prefix: str = 'backbone.'
    ) -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates.

        Returns:
            Its depth (0 stem, 1..S stages, S + 1 head) and S + 2.
        """
        return param_depth(self.visual, param_name, f'{prefix}visual.trunk.')

    def compile_blocks(self, **options: Any) -> int:
        """Compile every block in place; names of parameters stay.

        Args:
            options: Of :func:`torch.compile`.

        Returns:
            How many blocks.
        """
        for block in self.visual.blocks:
            block.compile(**options)
        self.compiled = True
        return self.visual.num_layers

    def _block(self, index: int, x: Tensor, grid: tuple[int, int]) -> Tensor:
        if self.compiled:  # as many crops as there are
            torch._dynamo.maybe_mark_dynamic(x, 0)
        recomputed = self.with_cp is True or index < self.with_cp
        if recomputed and x.requires_grad:
            return checkpoint(
                self.visual.run_block, index, x, grid, use_reentrant=False
            )
        return self.visual.run_block(index, x, grid)

    def forward_image(self, image: Tensor) -> Tensor:
        """CLIP's own image embedding: (B, 3, H, W) -> (B, C).

        The last stage runs as in plain CLIP; not normalised.
        """
        check_image(image, self.visual.patch_size, self.model)
        x, grid = self.visual.embed(image)
        for index in range(self.visual.num_layers - 1):
            x = self._block(index, x, grid)
        return self.visual.pool_last(x, grid)

    def forward_dense(
        self, image: Tensor, taps: Sequence[int] = ()
    ) -> DenseFeatures:
        """One pass for every consumer of dense features.

        Args:
            image: (B, 3, H, W), normalised; H and W multiples of the patch.
            taps: Stages whose outputs are wanted too.
        """
        tower, taps = self.visual, self._resolve_indices(taps)
        x, grid, kept = self._before_last(image, taps)
        last, prefix = tower.num_stages - 1, tower.num_prefix
        out, context = self.last_block.run(tower, x, grid)
        if last in taps:
            tap = self.last_block.tap(tower, x, grid, out)
            kept[last] = to_map(tap[:, prefix:], grid)
        content = tower.project(out[:, prefix:])  # (B, N, C)
        return DenseFeatures(
            to_map(content, grid),
            context or (content,),
            tuple(kept[index] for index in taps),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> a (B, D, h, w) map per entry of out_indices.

        Computes nothing else; :meth:`forward_dense` has the content, too.
        """
        tower = self.visual
        x, grid, kept = self._before_last(image, self.out_indices)
        last = tower.num_stages - 1
        if last in self.out_indices:
            tap = self.last_block.tap(tower, x, grid)
            kept[last] = to_map(tap[:, tower.num_prefix :], grid)
        return tuple(kept[index] for index in self.out_indices)

    def _before_last(
        self, image: Tensor, taps: Sequence[int]
    ) -> tuple[Tensor, tuple[int, int], dict[int, Tensor]]:
        """Input of the last stage, its grid, and maps of earlier stages."""
        check_image(image, self.visual.patch_size, self.model)
        tower = self.visual
        x, grid = tower.embed(image)
        kept = {}
        for index in range(tower.num_stages - 1):
            x = self._block(index, x, grid)
            if index in taps:
                kept[index] = to_map(x[:, tower.num_prefix :], grid)
        return x, grid, kept
