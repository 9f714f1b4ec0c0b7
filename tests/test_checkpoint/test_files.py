"""Writers of one file do not meet in its unfinished part."""

from declip_mm.checkpoint import atomically


def test_two_writers_of_one_file(tmp_path):
    """As two machines whose processes have the same number."""
    path = tmp_path / 'classes.npz'
    with atomically(path) as one, atomically(path) as other:
        one.write_text('one')
        other.write_text('other')
    assert path.read_text() == 'one'
    assert list(tmp_path.iterdir()) == [path]
