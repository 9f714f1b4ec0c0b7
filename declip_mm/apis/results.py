"""What was found in many pictures, on disk while it is being found."""

import errno
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger, print_log
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..checkpoint import atomically
from ..datasets.decoding import UnreadableImage
from .command import was_stopped
from .devices import check_device
from .images import (
    ReadImage,
    check_max_side,
    find_images,
    in_batches,
    read_images,
)

__all__ = [
    'ResultsFile',
    'check_image_run',
    'run_over_images',
    'tell_failed',
    'writable_file',
    'writable_folder',
    'write_json',
    'write_text',
]


def writable_folder(path: str | Path) -> Path:
    """Make a folder and write to it, before the work and not after it.

    Raises:
        OSError: Names the folder; it is a file, or cannot be written.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'x')
            file.flush()
    except OSError as error:
        error.filename = str(folder)
        raise
    return folder


def writable_file(path: str | Path) -> Path:
    """The same for the folder of a file.

    Raises:
        OSError: Names the file, which is a folder, or its folder.
    """
    path = Path(path)
    writable_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, os.strerror(errno.EISDIR), str(path)
        )
    return path


def write_text(path: str | Path, text: str) -> None:
    """Write a text and the end of its last line, whole or not at all."""
    with atomically(path) as part:
        part.write_text(text + '\n', 'utf-8')


def write_json(path: str | Path, content: Any, indent: int | None = 1) -> None:
    """Write json, whole or not at all."""
    write_text(path, json.dumps(content, indent=indent))


class ResultsFile:
    """``results.json`` of a run over pictures.

    It holds what ``head`` says, ``pictures`` (an entry each), ``failed``
    (path and reason) and ``left`` (paths that were not looked at). A context
    manager: however the block ends, by Ctrl-C or on a full disk, what was
    done is on disk and the rest is named.

    Args:
        folder: That it lies in; None writes nothing.
        head: First fields.
        paths: Of all pictures that are wanted.
        every: Seconds between two states on disk.
    """

    def __init__(
        self,
        folder: str | Path | None,
        head: dict,
        paths: Sequence[str],
        every: float = 5.0,
    ) -> None:
        self.path = None if folder is None else Path(folder) / 'results.json'
        self.head, self.every = head, every
        self._left = dict.fromkeys(paths)
        self.pictures: list[dict] = []
        self.failed: list[dict] = []
        self._written = time.monotonic()

    def add(self, path: str, entry: dict) -> None:
        """A picture is done."""
        self._left.pop(path, None)
        self.pictures.append(entry)
        if time.monotonic() - self._written > self.every:
            self.write()

    def fail(self, path: str, reason: str) -> None:
        """A picture cannot be used; says so at once."""
        self._left.pop(path, None)
        self.failed.append(dict(path=path, reason=reason))
        print_log(f'left out: {reason}', 'current', level=logging.WARNING)

    def check(self) -> None:
        """Refuse a run in which no picture could be used.

        Raises:
            UnreadableImage: With all the reasons.
        """
        if self.failed and not self.pictures:
            raise UnreadableImage(
                'no picture could be used: '
                + ' '.join(one['reason'] for one in self.failed)
            )

    def write(self) -> None:
        """Bring the file up to date."""
        if self.path is None:
            return
        found = dict(pictures=self.pictures, failed=self.failed)
        write_json(self.path, {**self.head, **found, 'left': [*self._left]})
        self._written = time.monotonic()

    def __enter__(self) -> 'ResultsFile':
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self.write()
            return
        try:
            self.write()
            where = f'and in {self.path}'
        except OSError as second:
            where = f'but not all in {self.path} ({second.strerror})'
        if self.path is not None and was_stopped(error):
            names = [os.path.basename(p) for p in self._left]
            more = f' and {len(names) - 5} more' if len(names) > 5 else ''
            error.kept = (
                f'{len(self.pictures)} pictures are done {where}; not done: '
                f'{", ".join(names[:5]) or "none"}{more}.'
            )


def check_image_run(
    inputs: Any, out: str, device: str | None, max_side: int | None
) -> None:
    """Refuse what :func:`run_over_images` would, before a model is loaded."""
    check_device(device)
    check_max_side(max_side)
    find_images(inputs)
    writable_folder(out)


def run_over_images(
    inputs: Any,
    predict: Callable[[list[ReadImage]], Iterable[tuple[dict, Any]]],
    head: dict,
    out_dir: str | Path | None = None,
    *,
    batch_size: int = 1,
    max_side: int | None = None,
    usable: Callable[..., Iterator[ReadImage]] | None = None,
    progress: bool = True,
) -> dict[str, list]:
    """Predict in pictures; however it ends, ``results.json`` is right.

    Args:
        inputs: See :func:`~declip_mm.apis.images.find_images`.
        predict: Batch -> of each picture its entry of ``results.json``, and
            what is returned of it.
        head, out_dir: See :class:`ResultsFile`.
        batch_size: Pictures at a time.
        max_side: Pictures with a longer side are scaled down to it.
        usable: (pictures, fail) -> pictures; the others it names with
            ``fail(path, reason)``.
        progress: Show a bar.

    Returns:
        ``predictions`` and ``failed`` (path and reason).

    Raises:
        UnreadableImage: No picture could be used.
    """
    check_max_side(max_side)
    sources = find_images(inputs)
    if out_dir:
        writable_folder(out_dir)
    paths = [one if isinstance(one, str) else name for name, one in sources]
    found = []
    with (
        ResultsFile(out_dir or None, head, paths) as results,
        tqdm(total=len(paths), disable=not progress) as bar,
        # else what is logged of a picture stands behind the bar
        logging_redirect_tqdm([MMLogger.get_current_instance()]),
    ):

        def fail(path: str, reason: str) -> None:
            results.fail(path, reason)
            bar.update()

        pictures = read_images(sources, max_side, fail)
        if usable is not None:
            pictures = usable(pictures, fail)
        for batch in in_batches(pictures, batch_size):
            for picture, (entry, own) in zip(batch, predict(batch)):
                results.add(picture.path, entry)
                found.append(own)
                bar.update()
    results.check()
    return dict(predictions=found, failed=results.failed)


def tell_failed(tool: str, found: dict) -> int:
    """The last line of a demo; its exit code.

    Args:
        tool: Name of the script.
        found: What an inferencer returned.
    """
    failed = found['failed']
    if not failed:
        return 0
    names = ', '.join(one['path'] for one in failed[:8])
    more = f' and {len(failed) - 8} more' if len(failed) > 8 else ''
    total = len(failed) + len(found['predictions'])
    print(
        f'{tool}: {len(failed)} of {total} pictures could not be used: '
        f'{names}{more}; results.json says why.',
        file=sys.stderr,
    )
    return 1
