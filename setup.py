"""Packaging of declip_mm. What is static stands in ``pyproject.toml``."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# where OpenMMLab's tools look for the configs and scripts of a package
MIM = Path('declip_mm') / '.mim'
SHIPPED = {'configs': ('*.py', '*.md', '*.yml'), 'tools': ('*.py', '*.sh')}


class BuildWithConfigs(build_py):
    """Puts ``configs/`` and ``tools/`` into the wheel, under ``.mim``.

    An editable install copies nothing: there the clone itself has them.
    """

    def run(self) -> None:
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        for folder, patterns in SHIPPED.items():
            for pattern in patterns:
                for source in sorted((ROOT / folder).rglob(pattern)):
                    self._ship(source)

    def _ship(self, source: Path) -> None:
        target = Path(self.build_lib) / MIM / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        shutil.copymode(source, target)


setup(cmdclass={'build_py': BuildWithConfigs})
