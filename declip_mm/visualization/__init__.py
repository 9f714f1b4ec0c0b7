"""Pictures of what a backbone does."""

from ..deprecation import old_exports
from .attention import LayerAttention, attention_by_layer, evenly
from .maps import (
    attention_top,
    draw_attention,
    draw_correlations,
    draw_parts,
)
from .page import PageImage, write_page
from .patches import (
    affinity_map,
    choose_anchors,
    cluster_patches,
    patch_features,
    patch_of,
    patch_view,
    principal_colours,
)
from .samples import DrawnSample, draw_samples
from .sheet import SheetRow, draw_sheet
from .sweep import SWEEP_PANELS, draw_sweep, sweep_table

__all__ = [
    'SWEEP_PANELS',
    'DrawnSample',
    'LayerAttention',
    'PageImage',
    'SheetRow',
    'affinity_map',
    'attention_by_layer',
    'attention_top',
    'choose_anchors',
    'cluster_patches',
    'draw_attention',
    'draw_correlations',
    'draw_parts',
    'draw_samples',
    'draw_sheet',
    'draw_sweep',
    'evenly',
    'patch_features',
    'patch_of',
    'patch_view',
    'principal_colours',
    'sweep_table',
    'write_page',
]

__getattr__ = old_exports(__name__, PagePicture=PageImage)
