"""Local weight files of VFMs, in their publishers' layouts."""

import pytest
import torch
from tiny_vfm import FAMILIES, build_vfm


def official_dinov2(state):
    """Meta's file: CLS has a position, registers go by another name."""
    state['mask_token'] = torch.zeros(1, 24)
    if 'reg_token' in state:
        first = torch.randn(1, 1, 24)
        state['register_tokens'] = state.pop('reg_token')
        state['pos_embed'] = torch.cat((first, state['pos_embed']), dim=1)
        state['cls_token'] = state['cls_token'] - first
    return state


def official_sam(state):
    """Of the image encoder, beside the prompt encoder's."""
    named = {
        f'image_encoder.{k.replace("mlp.fc", "mlp.lin")}': v
        for k, v in state.items()
    }
    return {**named, 'prompt_encoder.no_mask_embed.weight': torch.zeros(1, 2)}


def official_sam2(state):
    named = {}
    for key, value in state.items():
        if not key.startswith('head.'):
            key = key.replace('mlp.fc1', 'mlp.layers.0')
            key = key.replace('mlp.fc2', 'mlp.layers.1')
            named[f'image_encoder.trunk.{key}'] = value
    named['image_encoder.neck.convs.0.conv.weight'] = torch.zeros(1)
    return dict(model=named)


LAYOUTS = {
    'dino-16': dict,
    'dinov2': official_dinov2,
    'dinov2-reg': official_dinov2,
    'dinov3': dict,
    'sam': official_sam,
    'sam2': official_sam2,
    'radio': dict,
}


@pytest.mark.parametrize('family', LAYOUTS)
def test_local_files_of_the_publishers(family, tmp_path):
    source = build_vfm(family)
    for p in source.trunk.parameters():
        p.data.normal_(std=0.1)
    path = str(tmp_path / 'vfm.pth')
    torch.save(LAYOUTS[family](dict(source.trunk.state_dict())), path)
    loaded = build_vfm(family, pretrained=path)
    loaded.init_weights()
    stride = FAMILIES[family][2]
    image = torch.randn(1, 3, 4 * stride, 6 * stride)
    torch.testing.assert_close(
        loaded(image), source(image), rtol=1e-4, atol=1e-5
    )


def test_a_file_of_another_network_is_refused(tmp_path):
    path = str(tmp_path / 'vfm.pth')
    weights = build_vfm('dino-16').trunk.state_dict()
    weights.pop('cls_token')
    weights['surprise'] = torch.zeros(1)
    torch.save(weights, path)
    with pytest.raises(ValueError, match='Missing.*cls_tok.*surprise'):
        build_vfm('dino-16', pretrained=path).init_weights()
    torch.save(build_vfm('dino-16').trunk.state_dict(), path)
    with pytest.raises(
        ValueError, match=r'does not fit this network \(vit_base_patch8_224'
    ):
        build_vfm('dino-8', pretrained=path).init_weights()


def test_the_classifier_of_a_file_is_ignored(tmp_path):
    path = str(tmp_path / 'vfm.pth')
    weights = dict(build_vfm('dino-16').trunk.state_dict())
    torch.save({**weights, 'head.weight': torch.ones(9, 24)}, path)
    build_vfm('dino-16', pretrained=path).init_weights()
