"""What tools/demo_det.py hands over and tells."""

from types import SimpleNamespace

import torch
from PIL import Image
from tool_modules import load_tool


class Detector:
    """Finds one object in every picture but the first."""

    asked: list = []

    def __init__(self, *_, **__):
        head = dict(fusion_alpha=0.1, fusion_beta=0.8, tau_vlm=45.0)
        head = SimpleNamespace(**head, set_fusion=self.asked.append)
        head.set_fusion = lambda *values: self.asked.append(values)
        self.model = SimpleNamespace(roi_head=head)

    def __call__(self, pictures, **options):
        self.asked.append((pictures, options))
        one = dict(path='b.png', names=['cat'], scores=[0.9])
        return dict(
            predictions=[dict(one, bboxes=[[1, 2, 3, 4.4]])],
            failed=[dict(path='a.jpg', reason='damaged')],
        )


def test_options_results_and_exit_code(tmp_path, monkeypatch, capsys):
    demo = load_tool('demo_det.py')
    monkeypatch.setattr(demo.apis, 'DeCLIPDetInferencer', Detector)
    (tmp_path / 'c.py').write_text('')
    torch.save({}, tmp_path / 'w.pth')
    Image.new('RGB', (8, 8)).save(tmp_path / 'a.jpg')
    arguments = [str(tmp_path / n) for n in ('c.py', 'w.pth', 'a.jpg')]
    out = str(tmp_path / 'out')
    more = ['--out', out, '--beta', '0.5', '--max-side', '99']
    assert demo.detect(demo.parse_args([*arguments, *more])) == 1
    fusion, (pictures, options) = Detector.asked
    assert fusion == (0.1, 0.5, 45.0)
    assert pictures == arguments[2:]
    assert options == dict(
        out_dir=out, pred_score_thr=0.3, no_save_pred=False, max_side=99
    )
    said = capsys.readouterr()
    assert 'b.png: 1 objects' in said.out
    assert '0.90  cat  (1 2 3 4)' in said.out
    assert '1 of 2 pictures could not be used: ' in said.err
