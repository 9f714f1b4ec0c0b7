"""Command lines that cannot work: one line each, before the work begins."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from bad_input import Case, check
from PIL import Image
from tool_modules import TOOLS, load_tool

CONFIGS = TOOLS.parent / 'configs'
SEG = str(CONFIGS / 'miniature/dense_seg.py')
DET = str(CONFIGS / 'miniature/f_vit_coco.py')
PRETUNE = str(CONFIGS / 'miniature/pretune.py')
REGION = str(CONFIGS / 'miniature/region_cls.py')
METHOD = str(CONFIGS / 'dense_seg/methods/clearclip_openai-b16.py')
CLIP = 'declip_mm://miniature/tiny_clip.json'
WEIGHTS = str(
    TOOLS.parent / 'declip_mm/assets/miniature/tiny_clip.safetensors'
)


def furnish(folder):
    """What the command lines of this file speak of."""
    for name in ('pictures', 'empty', 'data'):
        (folder / name).mkdir()
    Image.new('RGB', (20, 20)).save(folder / 'pictures' / 'a.png')
    texts = {
        'file': 'x',
        'text.jpg': 'no picture',
        'text.npz': 'no arrays',
        'syntax.py': 'model = dict(\n',
        'base.py': "_base_ = 'nowhere.py'\n",
        'bare.py': 'x = 1\n',
        'half.json': '{"cat":',
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / 'latin.txt').write_bytes('a photo of a {} café'.encode('latin1'))
    torch.save({}, folder / 'w.pth')


@contextmanager
def inside(folder):
    before, argv = Path.cwd(), sys.argv
    rank = os.environ.get('LOCAL_RANK')
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.argv = argv
        if rank is None:
            os.environ.pop('LOCAL_RANK', None)


def typed(line, *more):
    """Type a command line in a furnished folder."""

    def act(folder):
        furnish(folder)
        with inside(folder):
            sys.argv = [*line.split(), *more]
            tool = load_tool(sys.argv[0])
            sys.argv[0] = str(TOOLS / sys.argv[0])
            return tool.main()

    return act


def row(line, got, allowed):
    """A case that is called what is typed."""
    short = line
    for path in (str(CONFIGS), WEIGHTS):
        short = short.replace(path, '*')
    return Case(short, typed(line), got, allowed)


DEMO = 'demo_seg.py {} {} {} --names cat'
DEMO_DET = 'demo_det.py {} {} {} --names cat'
VIS = f'analysis_tools/vis_affinity.py {REGION} none --pictures pictures'
EMBED = f'misc/class_embeddings.py dump o.npz --model {CLIP} --names cat'
MADE = f'{EMBED} --pretrained {WEIGHTS}'

CASES = [
    row(DEMO.format('no.py', 'none', 'pictures'), 'no.py', 'has bare.py'),
    row(DEMO.format('data', 'none', 'pictures'), 'data', 'name one of its'),
    row(DEMO.format('syntax.py', 'none', 'pictures'), 'SyntaxError',
        'DECLIP_DEBUG=1'),
    row(DEMO.format('base.py', 'none', 'pictures'), 'nowhere.py',
        'config base.py'),
    row(DEMO.format('bare.py', 'none', 'pictures'), 'no model',
        'DenseCLIPSegmentor or OVCATSegmentor'),
    row(DEMO.format(DET, 'none', 'pictures'), 'a FViT', 'tools/demo_det.py'),
    row(DEMO.format(PRETUNE, 'none', 'pictures'), 'DecoupledDistiller',
        'tools/train.py'),
    row(DEMO.format(REGION, 'none', 'pictures'), 'ZeroShotModel',
        'tools/test.py'),
    row(DEMO.format(SEG, 'none', 'pictures --device gpu'), "'gpu'", 'cpu'),
    row(DEMO.format(SEG, 'none', 'pictures --device cuda:77'), "'cuda:77'",
        'here there are cpu'),
    row(DEMO.format(SEG, 'none', 'pictures --threshold 1.5'), '1.5',
        'allowed are 0 to 1'),
    row(DEMO.format(SEG, 'none', 'pictures --batch-size 0'), 'size 0',
        '1 picture or more'),
    row(DEMO.format(SEG, 'none', 'pictures --max-side 3'), 'max_side=3',
        '16 pixels or more'),
    row(DEMO.format(SEG, 'none', 'pictures --out file'), 'file: File exists',
        'name another'),
    row(DEMO.format(SEG, 'none', 'pictures --out file/x'), 'file/x',
        'A part of this path is a file'),
    row(DEMO.format(SEG, 'none', 'nowhere'), 'nowhere', '.webp'),
    row(DEMO.format(SEG, 'none', 'empty'), 'empty', 'Known suffixes'),
    row(DEMO.format(SEG, 'none', 'text.jpg'), 'text.jpg', 'Replace it'),
    row(DEMO.format(SEG, 'no.pth', 'pictures'), 'no.pth', 'has w.pth'),
    row(DEMO.format(SEG, 'data', 'pictures'), 'data is a folder',
        'name one of its files'),
    row(DEMO_DET.format(SEG, 'w.pth', 'pictures'), 'DenseCLIPSegmentor',
        'tools/demo_seg.py'),
    row(DEMO_DET.format(DET, 'none', 'pictures'), 'file none', 'w.pth'),
    row(DEMO_DET.format(DET, 'w.pth', 'pictures --score-thr 2'), '2.0',
        '0 to 1'),
    row(DEMO_DET.format(DET, 'w.pth', 'pictures --alpha -1'), '-1.0',
        '0 to 1'),
    row(DEMO_DET.format(DET, 'w.pth', 'pictures --beta nan'), 'nan',
        '0 to 1'),
    row(DEMO_DET.format(DET, 'w.pth', 'pictures --tau 0'), '0.0',
        'above 0'),
    row(DEMO_DET.format(DET, 'w.pth', 'pictures --device tpu'), "'tpu'",
        'cpu'),
    row(f'train.py {REGION} --work-dir w', 'no train_dataloader',
        'configs/declip'),
    row('train.py bare.py --work-dir w', 'no model', 'configs/declip'),
    row(f'train.py {PRETUNE} --work-dir file --cfg-options '
        'train_dataloader.batch_size=0', 'batch_size=0', '1 or more'),
    row(f'train.py {PRETUNE} --work-dir w --cfg-options '
        'train_dataloader.batch_size=many', "'many'", '1 or more'),
    row(f'train.py {PRETUNE} --work-dir w --cfg-options '
        'train_dataloader.num_workers=-1', '-1', '0 or more'),
    row(f'train.py {PRETUNE} --work-dir w --cfg-options '
        'train_cfg.max_epochs=0', 'max_epochs=0', '1 or more'),
    row(f'train.py {PRETUNE} --work-dir w --cfg-options '
        'optim_wrapper.optimizer.lr=-1', 'lr=-1', '0 or more'),
    row(f'train.py {PRETUNE} --work-dir w --resume data', 'data is a folder',
        'name one of its files'),
    row(f'test.py {PRETUNE} none --out file/x.pkl', 'file: File exists',
        'name another'),
    row('test.py bare.py none', 'no test_dataloader', 'configs/region_cls'),
    row(f'test.py {REGION} data', 'data is a folder', 'name one of'),
    row(f'dense_seg_benchmarks.py {METHOD} none --out data', 'data: Is a',
        'name a file'),
    row(f'analysis_tools/region_sweep.py {SEG} none', 'DenseCLIPSegmentor',
        'tools/demo_seg.py'),
    row(f'analysis_tools/region_sweep.py {REGION} none --sizes 3',
        '--sizes 3', 'one patch of 14'),
    row('analysis_tools/browse_dataset.py no.py', 'no.py', 'has bare.py'),
    row('analysis_tools/browse_dataset.py bare.py', 'no test_dataloader',
        'there are none'),
    row(f'analysis_tools/browse_dataset.py {REGION} --out file',
        'file: File exists', 'name another'),
    row(f'analysis_tools/browse_dataset.py {REGION} --split train',
        'no train_dataloader', 'there are test'),
    row('analysis_tools/sweep_fusion.py sweep text.npz', 'text.npz',
        'sweep_fusion.py dump'),
    row(f'analysis_tools/sweep_fusion.py dump {SEG} w.pth o.npz',
        'DenseCLIPSegmentor', 'FViT is wanted'),
    row(f'model_converters/ov_dquo.py {DET} w.pth o.pth',
        'builds a FViT', 'OVDQUO is wanted'),
    row(f'{VIS} --device gpu', "'gpu'", 'cpu'),
    row(f'{VIS} --out file', 'file: File exists', 'name another'),
    row('analysis_tools/vis_affinity.py bare.py none --pictures pictures',
        'bare.py', 'model.backbone'),
    row(f'analysis_tools/proxy_tokens.py {SEG} none', 'DenseCLIPSegmentor',
        'ZeroShotModel is wanted'),
    row(f'analysis_tools/cat_seg_memory.py {SEG}', 'DenseCLIPSegmentor',
        'OVCATSegmentor is wanted'),
    row('analysis_tools/check_golden.py text.npz', 'text.npz',
        '*.npz of arrays'),
    row(f'analysis_tools/step_configs.py {SEG}', 'DenseCLIPSegmentor',
        'DecoupledDistiller is wanted'),
    row(f'misc/cache_teachers.py {SEG} --vfm x.npy', 'DenseCLIPSegmentor',
        'DecoupledDistiller is wanted'),
    row(f'misc/cache_teachers.py {PRETUNE} --crops x.txt', 'x.txt', '*.npy'),
    row(f'{MADE} --synonyms half.json', 'half.json', '["phrase", ...]'),
    row(f'{MADE} --prompts latin.txt', 'latin.txt', 'UTF-8'),
    row(f'{MADE} --prompts no.txt', 'no.txt', 'Check the path'),
    row(f'model_converters/f_vit_mmdet2.py {SEG} w.pth o.pth',
        'DenseCLIPSegmentor', 'FViT is wanted'),
    row(f'model_converters/ov_dquo.py {DET} w.pth o.pth',
        'builds a FViT', 'OVDQUO is wanted'),
    row(f'model_converters/cat_seg.py {SEG} w.pth o.pth --license x',
        'DenseCLIPSegmentor', 'OVCATSegmentor is wanted'),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_command_line(case, tmp_path):
    check(case, tmp_path)


@pytest.mark.parametrize(
    'line, said',
    [
        (f'analysis_tools/region_sweep.py {REGION} none --limit -1', '-1'),
        (f'analysis_tools/region_sweep.py {REGION} none --sizes 0', 'got 0'),
        (f'{VIS} --size 0', '16 or more'),
        (f'{VIS} --anchors 0', '1 or more'),
        (f'misc/cache_teachers.py {PRETUNE} --vfm x.npy --batch 0', 'got 0'),
        (f'misc/soak.py {PRETUNE} --work-dir s --kills 0', 'got 0'),
        (f'train.py {PRETUNE} --cfg-options lr', 'KEY=VALUE'),
        (f'train.py {PRETUNE} --cfg-options a=[1,(2', 'brackets'),
    ],
)
def test_usage(line, said, tmp_path, capsys):
    """What argparse refuses is exit code 2 and a line."""
    with pytest.raises(SystemExit) as stop:
        typed(line)(tmp_path)
    assert stop.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'error: argument' in last and said in last
