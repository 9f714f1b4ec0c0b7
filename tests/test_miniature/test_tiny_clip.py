"""The shipped tiny CLIP: loads into open_clip and knows its world."""

import hashlib
import json

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import load_file

from declip_mm.miniature import ASSETS, load_pack, make_scene


@pytest.fixture(scope='module')
def info():
    return json.loads((ASSETS / 'tiny_clip.json').read_text())


@pytest.fixture(scope='module')
def model(info):
    clip = CLIP(**info['model_cfg'])
    weights = load_file(ASSETS / 'tiny_clip.safetensors')
    clip.load_state_dict(weights, strict=True)
    return clip.eval()


def tokenize(info, texts):
    """Compact ids, as the text module makes them."""
    bpe = SimpleTokenizer()
    position = {old: new for new, old in enumerate(info['token_ids'])}
    length = info['model_cfg']['text_cfg']['context_length']
    tokens = torch.zeros(len(texts), length, dtype=torch.long)
    for row, text in zip(tokens, texts):
        ids = [bpe.sot_token_id, *bpe.encode(text), bpe.eot_token_id]
        row[: len(ids)] = torch.tensor([position[i] for i in ids])
    return tokens


def test_files_belong_together(info):
    path = ASSETS / 'tiny_clip.safetensors'
    assert hashlib.sha256(path.read_bytes()).hexdigest() == info['sha256']
    assert path.stat().st_size < 12 * 2**20
    pack = load_pack()
    assert info['pack_sha256'] == pack.sha256
    seen = [name for name in pack.classes if name not in pack.unseen]
    assert info['classes'] == seen


def test_token_table(info):
    ids, bpe = info['token_ids'], SimpleTokenizer()
    assert len(ids) == info['model_cfg']['text_cfg']['vocab_size']
    assert ids[:2] == [0, -1] and ids[2:] == sorted(set(ids[2:]))
    # open_clip reads a text at its largest id
    assert ids[-2:] == [bpe.sot_token_id, bpe.eot_token_id]
    pack = load_pack()
    for name in (*pack.classes, 'background', 'a photo of a'):
        assert set(bpe.encode(name)) <= set(ids), name
    for names in pack.synonyms.values():
        assert set(bpe.encode(' '.join(names))) <= set(ids), names


def crops(split, count, side):
    """Tight-box crops (count, 3, side, side) in [0, 1] and labels."""
    pack, images, labels = load_pack(), [], []
    index = 0
    while len(images) < count:
        image, objects = make_scene(pack, split, index, seed=7)
        for item in objects:
            crop = Image.fromarray(image).resize(
                (side, side), Image.BICUBIC, item.box
            )
            images.append(np.array(crop))
            labels.append(item.label)
        index += 1
    stack = torch.from_numpy(np.stack(images[:count]))
    return stack.permute(0, 3, 1, 2) / 255, torch.tensor(labels[:count])


def test_crop_accuracy(info, model):
    """Known drawings in new scenes; chance is 2 %."""
    side = info['model_cfg']['vision_cfg']['image_size']
    images, labels = crops('val_known', 80, side)
    mean, std = (
        torch.tensor(info['preprocess_cfg'][key]).view(3, 1, 1)
        for key in ('mean', 'std')
    )
    with torch.no_grad():
        text = model.encode_text(tokenize(info, info['classes']), True)
        image = model.encode_image((images - mean) / std, True)
    accuracy = ((image @ text.T).argmax(-1) == labels).float().mean()
    assert accuracy > 0.5


def test_empty_pictures_are_background(info, model):
    """A flat picture is nearer to 'background' than to any class."""
    with torch.no_grad():
        names = [*info['classes'], info['background']]
        text = model.encode_text(tokenize(info, names), True)
        side = info['model_cfg']['vision_cfg']['image_size']
        levels = torch.tensor([-0.8, 0.0, 0.8]).view(3, 1, 1, 1)
        flat = levels.expand(3, 3, side, side)
        scores = model.encode_image(flat, True) @ text.T
    assert (scores.argmax(-1) == len(names) - 1).all()
