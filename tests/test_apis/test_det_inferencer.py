"""What DeCLIPDetInferencer believes of a checkpoint."""

import pytest
import torch
from det_model import BASE, NAMES
from det_world import write_project
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from declip_mm.apis import DeCLIPDetInferencer
from declip_mm.checkpoint import FINGERPRINT_KEY, FingerprintError, publish


class Code:
    """Says so if a file's code is run."""

    def __reduce__(self):
        return print, ('code ran',)


def detector(config, path):
    return DeCLIPDetInferencer(
        str(config), str(path), device='cpu', show_progress=False
    )


def test_names_outlive_publishing_and_misfits_are_refused(tmp_path, capsys):
    init_default_scope('mmdet')
    config = write_project(tmp_path)
    model = MODELS.build(Config.fromfile(config).model)
    told = dict(classes=tuple(NAMES), base_classes=tuple(BASE))
    content = dict(
        meta={
            FINGERPRINT_KEY: model.backbone.fingerprint,
            'dataset_meta': told,
        },
        state_dict=model.state_dict(),
    )
    path = tmp_path / 'epoch_1.pth'
    torch.save(content, path)
    for suffix in ('pth', 'safetensors'):
        public = publish(str(path), str(tmp_path / f'public.{suffix}'))
        found = detector(config, public).model
        assert list(found.names) == NAMES
        # as in training: one name and the background are not novel
        assert found.roi_head.is_base.tolist() == [True, True, False, True]
    torch.save(dict(content, args=Code()), path)
    with pytest.raises(ValueError, match='pickled code'):
        detector(config, path)
    assert 'code ran' not in capsys.readouterr().out
    content['meta'][FINGERPRINT_KEY] = dict(affinity='qq')
    torch.save(content, path)
    with pytest.raises(FingerprintError, match="file has 'qq'"):
        detector(config, path)
