"""Pictures and maps of a folder, against mmseg's own listing."""

import pytest
from mmseg.datasets import BaseSegDataset
from seg_world import names_of, write_set

from declip_mm.segmentation.datasets.pairs import find_pairs, read_split


def nested(folder):
    write_set(folder, ('b', 'a.v2', 'c'))
    for kind, suffix in (('images', '.jpg'), ('maps', '.png')):
        (folder / kind / 'sub').mkdir()
        path = folder / kind / f'c{suffix}'
        path.rename(folder / kind / 'sub' / path.name)
    return folder


@pytest.mark.parametrize('split', [None, 'sub/c\na.v2\n'])
def test_same_pairs_in_the_same_order_as_mmseg(tmp_path, split):
    nested(tmp_path)
    listed = ''
    if split is not None:
        (tmp_path / 'val.txt').write_text(split)
        listed = str(tmp_path / 'val.txt')
    images, maps = (str(tmp_path / kind) for kind in ('images', 'maps'))
    theirs = BaseSegDataset(
        listed,
        data_prefix=dict(img_path=images, seg_map_path=maps),
        serialize_data=False,
    )
    ours = find_pairs(images, maps, None, '.png', listed or None)
    assert [image[len(images) + 1 :] for image, _ in ours] == names_of(theirs)
    assert ours == [
        (item['img_path'], item['seg_map_path'])
        for item in (theirs.get_data_info(i) for i in range(len(theirs)))
    ]


def test_long_suffixes_and_no_maps(tmp_path):
    write_set(tmp_path, ('x_leftImg8bit', 'y_rightImg8bit'))
    images = str(tmp_path / 'images')
    ((image, partner),) = find_pairs(images, None, '_leftImg8bit.jpg', '.png')
    assert image.endswith('x_leftImg8bit.jpg') and partner is None


def test_names_of_a_list(tmp_path):
    path = tmp_path / 'val.txt'
    path.write_bytes(b'\xef\xbb\xbf.\\city\\a b.jpg \r\n\r\n2007_000033\t\r\n')
    assert read_split(str(path)) == ['city/a b.jpg', '2007_000033']
