"""Photo cut-outs of the miniature world: the package and its pictures."""

import subprocess

import pytest

from declip_mm.miniature.world import photos as photos_module
from declip_mm.miniature.world.photos import fetch_photos


def test_wrong_photo_package_is_refused(tmp_path):
    wrong = tmp_path / 'stamps.deb'
    wrong.write_bytes(b'not a package')
    with pytest.raises(RuntimeError, match='6db6c1bfc870a47f'):
        fetch_photos(tmp_path / 'photos', deb=wrong)


def test_unpacking_that_is_cut_off_leaves_no_half_picture(
    tmp_path, monkeypatch
):
    """A disk that fills up in the middle of a file."""
    wanted = ['animals/a.png']
    source = tmp_path / 'src'
    member = source / photos_module.STAMPS / wanted[0]
    member.parent.mkdir(parents=True)
    member.write_bytes(b'x' * 4096)
    archive = tmp_path / 'files.tar'
    subprocess.run(
        ['tar', '-C', str(source), '-cf', str(archive), './usr'], check=True
    )
    popen = subprocess.Popen
    monkeypatch.setattr(
        photos_module.subprocess,
        'Popen',
        lambda command, **more: popen(['cat', str(archive)], **more),
    )
    out = tmp_path / 'out'

    def full(path, data):
        path.open('wb').write(data[:100])
        raise OSError('No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('pathlib.Path.write_bytes', full)
        with pytest.raises(OSError, match='No space'):
            photos_module._unpack(tmp_path / 'any.deb', out, wanted)
    assert not (out / wanted[0]).exists()
    photos_module._unpack(tmp_path / 'any.deb', out, wanted)
    assert (out / wanted[0]).read_bytes() == b'x' * 4096
