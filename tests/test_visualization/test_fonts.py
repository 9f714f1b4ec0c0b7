"""Letters of class names: drawn, or named once."""

import pytest
from bad_input import logged
from PIL import Image, ImageDraw

from declip_mm.visualization import fonts


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(fonts, '_WARNED', set())
    fonts._font_with.cache_clear()
    yield
    fonts._font_with.cache_clear()


@pytest.fixture
def bare(monkeypatch):
    """A machine with no font but the one that matplotlib brings."""
    monkeypatch.setattr(fonts, '_system_fonts', lambda: ())


def ink(text):
    canvas = Image.new('L', (400, 80), 255)
    writer = fonts.TextWriter(40)
    writer.write(ImageDraw.Draw(canvas), (5, 5), text)
    return canvas.tobytes(), writer.length(text)


def test_scripts_of_the_standard_font_need_no_other(bare):
    with logged() as lines:
        names = ['red car', 'кошка', 'γάτα', 'Äpfel', '']
        assert fonts.warn_of_missing_glyphs(names) == []
    assert lines == []
    assert fonts.families_for(['кошка']) == ['DejaVu Sans']


def test_missing_letters_are_question_marks_and_told_once(bare):
    with logged() as lines:
        assert fonts.warn_of_missing_glyphs(['猫', 'cat']) == ['猫']
        assert fonts.warn_of_missing_glyphs(['猫', 'cat']) == ['猫']
    assert len(lines) == 1
    assert '1 names' in lines[0] and '猫' in lines[0]
    assert 'fonts-noto-cjk' in lines[0]
    assert ink('猫 cat') == ink('? cat')


def test_a_font_of_the_machine_is_found_where_there_is_one():
    if fonts._font_with('猫') is None:
        pytest.skip('no font with CJK letters is installed')
    with logged() as lines:
        assert fonts.warn_of_missing_glyphs(['猫と犬']) == []
    assert lines == []
    assert ink('猫 cat') != ink('? cat')
    families = fonts.families_for(['cat', '猫'])
    assert families[0] == 'DejaVu Sans' and len(families) == 2


def test_joiners_take_no_place(bare):
    assert ink('a\u200db') == ink('ab')


def test_a_font_that_cannot_be_read_has_nothing(tmp_path, monkeypatch):
    bad = tmp_path / 'bad.ttf'
    bad.write_text('no font')
    monkeypatch.setattr(fonts, '_system_fonts', lambda: (str(bad),))
    assert fonts._font_with('猫') is None
