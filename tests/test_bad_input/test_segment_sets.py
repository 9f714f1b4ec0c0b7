"""Segmentation folders and lists of pictures, as people have them."""

import pytest
from bad_input import Case, check
from seg_world import labels_of, load_set, names_of, write_set


def seg(change=None, result=names_of, **options):
    """A segmentation set of a.jpg and b.jpg, changed."""

    def act(folder):
        write_set(folder)
        if change is not None:
            change(folder)
        return result(load_set(folder, **options))

    return act


def renamed(*pairs):
    def change(folder):
        for old, new in pairs:
            (folder / new).parent.mkdir(parents=True, exist_ok=True)
            (folder / old).rename(folder / new)

    return change


def together(folder):
    """Pictures and maps in one folder."""
    for path in list((folder / 'maps').iterdir()):
        path.rename(folder / 'images' / path.name)


def split(text, *pairs):
    """A list of pictures, as bytes, and files renamed."""

    def change(folder):
        renamed(*pairs)(folder)
        (folder / 'val.txt').write_bytes(text)

    return seg(change, ann_file='val.txt')


def part(classes, **options):
    """The first picture's labels, if the set keeps some of its names."""
    return seg(None, labels_of, metainfo=dict(classes=classes), **options)


def count_of(found):
    return len(names_of(found))


def foreign(folder):
    """Kinds that Pillow does not decode."""
    for name in ('x.HEIC', 'y.dng'):
        (folder / 'images' / name).write_bytes(b'raw')


BOTH = ['a.jpg', 'b.jpg']
BELOW = (('images/a.jpg', 'images/x/a.jpg'), ('maps/a.png', 'maps/x/a.png'))
CASES = [
    Case('set: HEIC', seg(foreign, count_of), '2 files', 'x.HEIC', 'skipped'),
    Case(
        'set: several suffixes',
        seg(renamed(('images/b.jpg', 'images/b.PNG'))),
        ['a.jpg', 'b.PNG'],
        outcome='read',
    ),
    Case(
        'set: one suffix of several',
        seg(renamed(('images/b.jpg', 'images/b.png')), img_suffix='.jpg'),
        '1 pictures do not end in',
        'b.png',
        'skipped',
    ),
    Case(
        'set: capital letters',
        seg(renamed(('images/a.jpg', 'images/a.JPG')), img_suffix='.jpg'),
        ['a.JPG', 'b.jpg'],
        outcome='read',
    ),
    Case(
        'set: one folder',
        seg(
            together,
            data_prefix=dict(img_path='images', seg_map_path='images'),
        ),
        BOTH,
        outcome='read',
    ),
    Case(
        'set: folders',
        seg(renamed(*BELOW)),
        ['b.jpg', 'x/a.jpg'],
        outcome='read',
    ),
    Case(
        'set: no map',
        seg(lambda f: (f / 'maps/a.png').unlink(), count_of),
        '1 of 2 pictures have no class map',
        'a.jpg',
        'skipped',
    ),
    Case(
        'set: no picture',
        seg(lambda f: (f / 'images/a.jpg').unlink(), count_of),
        '1 of 2 class maps have no picture',
        'a.png',
        'skipped',
    ),
    Case(
        'set: other names',
        seg(
            renamed(('maps/a.png', 'maps/1.png'), ('maps/b.png', 'maps/2.png'))
        ),
        '2 pictures, such as a.jpg, b.jpg',
        'They need the same name',
    ),
    Case(
        'set: two of one name',
        seg(renamed(('images/b.jpg', 'images/a.png'))),
        'a.jpg and a.png',
        "say by img_suffix='.jpg'",
    ),
    Case(
        'set: empty',
        seg(lambda f: [p.unlink() for p in (f / 'images').iterdir()]),
        '0 other files',
        'Known suffixes',
    ),
    Case(
        'set: no folder',
        seg(data_prefix=dict(img_path='no', seg_map_path='maps')),
        '/no does not exist',
        'docs/segmentation.md',
    ),
    Case(
        'set: names of a part',
        part(('dog', 'background')),
        [[1, 255, 255], [0, 0, 255]],
        outcome='read',
    ),
    Case('set: a name too many', part(('dog', 'cow')), 'cow', 'no such class'),
    Case('set: names as one string', part('dog'), "'dog'", 'Split it first'),
    Case('set: names twice', part(('dog', 'Dog')), 'Dog', 'Rename or remove'),
    Case(
        'set: file of other names',
        seg(type='mmseg.OVVOC21Dataset'),
        'classes.txt has other names',
        'Leave classes_file out',
    ),
    Case(
        'split: Windows',
        split(b'b\r\na\r\n\r\n'),
        ['b.jpg', 'a.jpg'],
        outcome='read',
    ),
    Case(
        'split: byte-order mark',
        split('\ufeffa\n'.encode()),
        ['a.jpg'],
        outcome='read',
    ),
    Case('split: suffixes', split(b'a.jpg\nb.png'), BOTH, outcome='read'),
    Case('split: blanks', split(b' a \t\n\n  \nb'), BOTH, outcome='read'),
    Case(
        'split: back-slashes',
        split(b'.\\x\\a.jpg\nb', *BELOW),
        ['x/a.jpg', 'b.jpg'],
        outcome='read',
    ),
    Case(
        'split: dots',
        split(
            b'./a.v2\nb',
            ('images/a.jpg', 'images/a.v2.jpg'),
            ('maps/a.png', 'maps/a.v2.png'),
        ),
        ['a.v2.jpg', 'b.jpg'],
        outcome='read',
    ),
    Case(
        'split: twice',
        split(b'a\nb\na'),
        '1 pictures twice',
        'once',
        'skipped',
    ),
    Case(
        'split: no such picture',
        split(b'a\nc\nd'),
        '2 have no picture',
        'c, d',
    ),
    Case(
        'split: no such map',
        split(b'a\nb', ('maps/b.png', 'maps/c.png')),
        '1 have no class map',
        'b',
    ),
    Case(
        'split: empty', split(b'\r\n \n'), 'val.txt is empty', 'a name a line'
    ),
    Case(
        'split: Latin-1',
        split('\xe4'.encode('latin-1')),
        'val.txt',
        'Save it in UTF-8',
    ),
    Case('split: no file', seg(ann_file='no.txt'), 'no.txt', 'does not exist'),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_set(case, tmp_path):
    check(case, tmp_path)
