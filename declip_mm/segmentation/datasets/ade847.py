"""The 847 classes of ADE20K's full release, with their ids there."""

from ...assets import resolve_asset

__all__ = ['read_ade847']


def read_ade847() -> list[tuple[int, str]]:
    """(class id in the release, name) of each label, 0 to 846.

    A name is a list of synonyms, ``'rug, carpet, carpeting'``. The choice of
    classes and their order are MaskFormer's (NeurIPS 2021).
    """
    path = resolve_asset('declip_mm://segmentation/ade847.txt')
    with open(path, encoding='utf-8') as file:
        pairs = [line.strip().split(' ', 1) for line in file if line.strip()]
    return [(int(class_id), name) for class_id, name in pairs]
