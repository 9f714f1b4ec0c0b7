"""What is kept of a picture by names: overlay, class map, shares."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..checkpoint import atomically
from ..evaluation.label_files import no_class_label, write_labels
from ..visualization.overlay import draw_overlay, legend_of
from .images import ReadImage
from .results import tell_failed

__all__ = ['keep_segmented', 'results_head', 'tell_segmented']


def results_head(
    classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> dict:
    """What ``results.json`` says of all pictures together."""
    return dict(
        classes=list(classes),
        palette=[list(map(int, colour)) for colour in palette],
        no_class=no_class_label(len(classes)),
    )


def keep_segmented(
    picture: ReadImage,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    out_dir: str | Path | None = None,
    with_overlay: bool = False,
) -> tuple[dict, np.ndarray | None]:
    """Write what was found in a picture, and sum it up.

    Args:
        picture: It.
        labels: (H, W) positions in ``classes``.
        classes: Names.
        palette: A colour (R, G, B) each.
        out_dir: Folder for ``overlays/NAME.png`` and ``labels/NAME.png``;
            None writes nothing.
        with_overlay: Whether to return the overlay.

    Returns:
        ``name``, ``path`` and ``classes`` (name, label and share of the
        picture; the largest first), and the overlay (H', W', 3) or None.
    """
    index = {name: label for label, name in enumerate(classes)}
    none = no_class_label(len(classes))
    shares = [
        dict(name=name, label=index.get(name, none), share=round(share, 6))
        for name, _, share in legend_of(
            labels, classes, palette, len(classes) + 1
        )
    ]
    overlay = None
    if with_overlay or out_dir is not None:
        overlay = draw_overlay(
            picture.image, labels, classes, palette, with_input=True
        )
    if out_dir is not None:
        folder, file = Path(out_dir), f'{picture.name}.png'
        with atomically(folder / 'overlays' / file) as part:
            # a third of the time of level 6, for a few percent more bytes
            Image.fromarray(overlay).save(part, 'PNG', compress_level=1)
        write_labels(str(folder / 'labels' / file), labels)
    found = dict(name=picture.name, path=picture.source, classes=shares)
    return found, overlay if with_overlay else None


def tell_segmented(tool: str, found: dict, out: str) -> int:
    """A line a picture, and where the files are; the tool's exit code."""
    for own in found['predictions']:
        shares = [
            f'{c["name"]} {100 * c["share"]:.0f} %' for c in own['classes']
        ]
        more = f' and {len(shares) - 8} more' if len(shares) > 8 else ''
        print(f'{own["path"]}: {", ".join(shares[:8])}{more}')
    print(f'overlays, label maps and results.json in {out}')
    return tell_failed(tool, found)
