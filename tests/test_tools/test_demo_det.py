"""tools/demo_det.py with a detector that only says where it writes."""

from types import SimpleNamespace

import torch
from PIL import Image
from tool_modules import load_tool


class Detector:
    """Records the folder of each picture."""

    folders: list = []

    def __init__(self, *_, **__):
        head = dict(fusion_alpha=0.1, fusion_beta=0.8, tau_vlm=45.0)
        head = SimpleNamespace(**head, set_fusion=lambda *_: None)
        self.model = SimpleNamespace(roi_head=head)

    def __call__(self, picture, out_dir, **_):
        self.folders.append((picture.rsplit('/', 1)[1], out_dir))
        return dict(predictions=[dict(names=[], scores=[], bboxes=[])])


def test_pictures_of_one_name_do_not_overwrite(tmp_path, monkeypatch):
    demo = load_tool('demo_det.py')
    monkeypatch.setattr(demo.apis, 'DeCLIPDetInferencer', Detector)
    (tmp_path / 'c.py').write_text('')
    torch.save({}, tmp_path / 'w.pth')
    for name in ('a.jpg', 'a.png', 'b.png'):
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    arguments = [tmp_path / n for n in ('c.py', 'w.pth', '')]
    out = tmp_path / 'out'
    demo.detect(demo.parse_args([*map(str, arguments), '--out', str(out)]))
    assert Detector.folders == [
        ('a.jpg', str(out)),
        ('a.png', str(out / 'a_2')),
        ('b.png', str(out)),
    ]
