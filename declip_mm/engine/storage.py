"""How the runner writes and reads checkpoints: whole files, no foreign code.

mmengine writes a checkpoint straight to its name, so that a kill leaves half
a file there, and reads any pickle. A run that is started by our tools calls
:func:`use_safe_storage` first.
"""

from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from ..checkpoint import atomically, read_checkpoint, read_content

__all__ = ['AtomicLocalBackend', 'use_safe_storage']


class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; ``filepath`` keeps what it had until all are there."""
        target = Path(filepath)
        if target.suffix == '.pth':
            # Left by runs that were killed here. Rank 0 alone writes
            # checkpoints; results are written by all ranks at once.
            for left in target.parent.glob(f'.{target.name}.*.part'):
                left.unlink(missing_ok=True)
        with atomically(target) as part:
            part.write_bytes(obj)

    def put_text(
        self,
        obj: str,
        filepath: str | Path,
        encoding: str = 'utf-8',
    ) -> None:
        """Write text in the same way."""
        self.put(obj.encode(encoding), filepath)


def use_safe_storage(trust_pickle: str | None = None) -> None:
    """Make mmengine write local files whole and read plain weights alone.

    Args:
        trust_pickle: :data:`~declip_mm.checkpoint.TRUST` lets code in the
            checkpoints of this process run.
    """

    def load_from_local(filename: str, map_location: Any = None) -> Any:
        path = str(Path(filename).expanduser())
        if path.endswith('.safetensors'):
            weights, meta = read_checkpoint(path)
            return dict(state_dict=weights, meta=meta)
        if trust_pickle is not None:
            print_log(
                f'{path}: code in this file may run (trust_pickle).',
                logger='current',
                level=30,
            )
        return read_content(path, trust_pickle)

    register_backend('local', AtomicLocalBackend, force=True, prefixes='')
    CheckpointLoader.register_scheme('', load_from_local, force=True)
