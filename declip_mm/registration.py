"""The names of our classes, in the registries before the classes are imported.

``custom_imports=['declip_mm']`` promises that every type name of the core can
be built. To import the classes takes some times what torch takes, and who
reads a config or asks a tool for its help builds none. So ``import declip_mm``
gives the names to mmengine's root registries, and a class is imported when it
is asked for. mmengine's own ``locations`` do not serve: a registry of mmdet
looks into its parents without importing what theirs name.
"""

import importlib.util
import sys
from collections import UserDict
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

__all__ = ['NAMES', 'import_classes', 'name_classes']

#: Root registry -> part of the package -> names that importing it registers;
#: the last ones of a row may be old names (:mod:`declip_mm.deprecation`).
NAMES: dict[str, dict[str, str]] = {
    'DATASETS': {
        'datasets': 'DeCLIPImageDataset DeCLIPMosaicDataset '
        'DeCLIPNounDataset DeCLIPRegionDataset'
    },
    'DATA_SAMPLERS': {'datasets': 'BucketBatchSampler PartialSampler'},
    'TRANSFORMS': {'datasets': 'DeCLIPViews LoadLabelledImage NounViews'},
    'HOOKS': {
        'engine': 'CompileHook DamagedImagesHook DataTimeHook EpochSyncHook '
        'FingerprintHook GraphHook NounHook RunGuardHook VocabularyHook '
        'WeightEnsembleHook CATSegVocabularyHook DetVocabularyHook '
        'SegVocabularyHook'
    },
    'LOOPS': {'engine': 'AccumulationTrainLoop'},
    'METRICS': {
        'engine': 'PredictionsFile',
        'evaluation': 'DenseIoUMetric RegionClassificationMetric',
    },
    'MODELS': {
        'models': 'CLIPCropTeacher CaptionTeacher CropCache '
        'DeCLIPPreprocessor DeCLIPTextEncoder DeCLIPViT DecoupledDistiller '
        'NounTeacher OpenVocabPredictor RegionContrastLoss RegionCosineLoss '
        'RegionNounLoss VFMCache VFMTeacher ZeroShotModel '
        'OpenVocabEvaluator TeacherCache'
    },
    'MODEL_WRAPPERS': {'engine': 'TeacherFSDP'},
    'OPTIM_WRAPPERS': {'engine': 'MixedOptimWrapper'},
    'OPTIM_WRAPPER_CONSTRUCTORS': {'engine': 'TrainableConstructor'},
}
_PACKAGE = __name__.rpartition('.')[0]
_ROOTS = 'mmengine.registry.root'


class _Modules(UserDict):
    """What a registry holds, with classes that are imported when asked for.

    Args:
        held: What the registry held before.
        late: Name of a class -> module whose import registers it.
    """

    def __init__(self, held: dict, late: dict[str, str]) -> None:
        super().__init__()
        self.data, self._late = held, late

    def _fetch(self, name: object) -> None:
        # Python sees to it that a module which is just being imported, here
        # or in another thread, is not begun again.
        if name in self._late and name not in self.data:
            importlib.import_module(self._late[name])

    def __contains__(self, name: object) -> bool:
        self._fetch(name)
        return name in self.data

    def __missing__(self, name: str) -> Any:
        self._fetch(name)
        return self.data[name]

    def __iter__(self) -> Iterator:
        for name in self._late:
            self._fetch(name)
        return iter(self.data)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _AwaitRegistries(MetaPathFinder):
    """Names the classes once somebody imports mmengine's registries.

    To import mmengine for that would cost as much as torch does.
    """

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> Any:
        if name != _ROOTS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            fill = spec.loader.exec_module

            def fill_and_name(module: ModuleType) -> None:
                fill(module)
                _name_in(module)

            spec.loader.exec_module = fill_and_name
        return spec


def name_classes() -> None:
    """Make every name of :data:`NAMES` known to mmengine's root registries."""
    roots = sys.modules.get(_ROOTS)
    if roots is None:
        sys.meta_path.insert(0, _AwaitRegistries())
    else:
        _name_in(roots)


def _name_in(roots: ModuleType) -> None:
    for registry, parts in NAMES.items():
        late = {
            name: f'{_PACKAGE}.{part}'
            for part, names in parts.items()
            for name in names.split()
        }
        own = getattr(roots, registry)
        own._module_dict = _Modules(own._module_dict, late)


def import_classes() -> None:
    """Import them all; what they were called before is known from then on."""
    for parts in NAMES.values():
        for part in parts:
            importlib.import_module(f'{_PACKAGE}.{part}')
