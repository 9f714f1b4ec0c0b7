"""What was measured: kept cell by cell, so that a stopped run goes on."""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import atomically
from ..version import __version__

__all__ = ['Record', 'machine']


def machine(device: torch.device) -> dict[str, Any]:
    """What ran it, in words."""
    found = dict(
        device=device.type,
        name=_processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        declip_mm=__version__,
    )
    if device.type == 'cuda':
        found['name'] = torch.cuda.get_device_name(device)
        major, minor = torch.cuda.get_device_capability(device)
        found['capability'] = f'{major}.{minor}'
    return found


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text('utf-8', 'replace').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


class Record:
    """Cells of one machine and one setting, in a json file.

    Args:
        path: Of the file; None keeps nothing.
        setting: What the cells have in common. A file of another setting or
            machine is refused.

    Raises:
        ValueError: The file is of something else.
    """

    def __init__(self, path: Path | None, **setting: Any) -> None:
        self.path = path
        self.cells: dict[str, Any] = {}
        self.setting = json.loads(json.dumps(setting))
        if path is None or not path.is_file():
            return
        found = json.loads(path.read_text('utf-8'))
        for name, value in self.setting.items():
            if found.get(name) != value:
                raise ValueError(
                    f'{path} has {name} {found.get(name)!r}, this run '
                    f'{value!r}. Name another file, or delete it.'
                )
        self.cells = found['cells']

    def cell(self, name: str, measure: Callable[[], Any]) -> Any:
        """A cell, measured unless it is there; out of memory is its value."""
        if name not in self.cells:
            try:
                self.cells[name] = measure()
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                self.cells[name] = dict(failed='out of memory')
            self.write({})
        return self.cells[name]

    def write(self, ratios: dict[str, float]) -> None:
        """Write what there is."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = dict(self.setting, ratios=ratios, cells=self.cells)
        with atomically(self.path) as part:
            part.write_text(json.dumps(whole, indent=1) + '\n', 'utf-8')
