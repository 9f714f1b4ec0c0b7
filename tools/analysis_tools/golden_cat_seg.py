"""Golden checks of CAT-Seg's cost aggregation."""

import numpy as np
import torch
from golden_towers import Errors, part, relative_error, tensors

from declip_mm.segmentation.cat_seg import CATSegHead
from declip_mm.segmentation.cat_seg.cost import PRUNED
from declip_mm.segmentation.cat_seg.keymaps import (
    head_options,
    official_head_keys,
)


@torch.no_grad()
def check_aggregator(data: dict[str, np.ndarray], name: str) -> Errors:
    """Logits of one aggregation head; what was pruned has to agree, too.

    Args:
        data: The recording; four heads, padded to 8 classes, windows of half
            the grid.
        name: File name, which says how classes were pooled.
    """
    arrays = tensors(data)
    weights = official_head_keys(part(arrays, 'weight/'))
    content = arrays['img_feats']
    head = CATSegHead(
        tap_dim=1,  # the recording begins behind the upsampling of the taps
        num_heads=4,
        window=content.shape[-1] // 2,
        max_classes=8,
        test_pooling=2 if 'train_pooling' in name else 1,
        unit_guidance=False,
        **head_options(weights),
    ).eval()
    own = head.upsamplers.state_dict(prefix='upsamplers.')
    head.load_state_dict({**weights, **own})
    guidance = arrays['guidance_1'], arrays['guidance_2']
    found = head.aggregate(content, guidance, arrays['text_feats'])
    wanted = data['out/logits']
    kept = torch.from_numpy(wanted != PRUNED)
    if not torch.equal(found != PRUNED, kept):
        raise ValueError('other classes were pruned than in the recording')
    error = relative_error(found[kept], wanted[kept.numpy()])
    return {'out/logits': error}
