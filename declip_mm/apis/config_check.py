"""Refuses a config that names what nobody knows, before anything is built.

mmengine finds an unknown name or argument when it builds that part: minutes
into a run for a test-time one, and with a ``KeyError`` that knows no remedy.
"""

import difflib
import importlib
import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import mmengine.registry as mmengine_registry
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import Registry

from .options import (
    READ_BY_RUNNER,
    OptionError,
    did_you_mean,
    runner_arguments,
)

__all__ = ['check_config']

#: Plain dicts of other libraries; their ``type`` is in no registry (mmdet
#: takes ``roi_layer`` and ``nms`` from mmcv.ops by name).
_FOREIGN = frozenset(
    {'env_cfg', 'nms', 'roi_layer', 'text_cfg', 'timm_kwargs', 'vision_cfg'}
)

#: Keys that mmengine's builders take for themselves.
_BUILDERS = frozenset(
    {'type', '_scope_', 'priority', 'constructor', 'paramwise_cfg'}
)

_REGISTRIES = tuple(
    value
    for value in vars(mmengine_registry).values()
    if isinstance(value, Registry)
)


def check_config(cfg: Config) -> None:
    """Look for names and arguments that no part of the program knows.

    A ``type`` has to be registered: it is refused if it looks like one that
    is, and else warned of, for a builder of its own may know it. An argument
    beside the type of one
    of our classes has to be one that it takes. A top-level name that is
    nearly an argument of the Runner is warned of: it would be ignored.

    Raises:
        OptionError: Names the place in the config and the nearest name.
    """
    scope = cfg.get('default_scope') or 'mmengine'
    _import_scope(scope)
    tree = cfg.to_dict()
    for key in tree:
        _warn_of_near_miss(key)
    _check_numbers(tree)
    for path, node in _typed(tree, ()):
        kind = node['type']
        found = kind if inspect.isclass(kind) else _find(kind, scope)
        if found is None:
            _refuse_type('.'.join(path) or 'the config', kind)
        if getattr(found, '__module__', '').startswith('declip_mm.'):
            _check_arguments('.'.join(path), found, node)


#: Numbers that torch refuses in its own words: path -> least value.
_NUMBERS = {
    **{
        f'{part}_dataloader.{key}': low
        for part in ('train', 'val', 'test')
        for key, low in (('batch_size', 1), ('num_workers', 0))
    },
    'optim_wrapper.optimizer.lr': 0,
    'train_cfg.max_epochs': 1,
    'train_cfg.max_iters': 1,
    'train_cfg.val_interval': 1,
}


def _check_numbers(tree: Mapping) -> None:
    for path, low in _NUMBERS.items():
        value: Any = tree
        for key in path.split('.'):
            value = value.get(key) if isinstance(value, Mapping) else None
        number = type(value) in (int, float)
        if value is not None and not (number and value >= low):
            raise OptionError(
                f'{path}={value!r}: allowed are numbers of {low} or more.'
            )


def _typed(node: Any, path: tuple) -> Iterator[tuple]:
    if isinstance(node, Mapping):
        if isinstance(node.get('type'), (str, type)):
            yield path, node
        for key, value in node.items():
            if key not in _FOREIGN:
                yield from _typed(value, (*path, str(key)))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _typed(value, (*path, str(index)))


def _import_scope(scope: str) -> None:
    """Makes the registries of ``default_scope`` known."""
    if scope == 'mmengine':
        return
    try:
        importlib.import_module(f'{scope}.registry')
    except ImportError as error:
        raise OptionError(
            f'default_scope={scope!r} needs a package that cannot be '
            f'imported: {error}. Install it, or run a config that does '
            'without.'
        ) from error


def _find(kind: str, scope: str) -> Any:
    """What a type of a config leads to, in any registry.

    ``Registry.get`` tries to import a name that it does not have, and all
    registries but one have it not.
    """
    for registry in _REGISTRIES:
        own = registry.children.get(scope, registry)
        if '.' in kind:
            found = own.get(kind)
        else:
            own.import_from_location()
            found = own.module_dict.get(kind)
            while found is None and own.parent is not None:
                own = own.parent
                found = own.module_dict.get(kind)
        if found is not None:
            return found
    return None


def _refuse_type(path: str, kind: str) -> None:
    known = {
        name
        for registry in _REGISTRIES
        for part in (registry, *registry.children.values())
        for name in part.module_dict
    }
    close = difflib.get_close_matches(kind, sorted(known), n=3, cutoff=0.6)
    hint = f'Close names: {", ".join(close)}. ' if close else ''
    message = (
        f'{path}: type={kind!r} is registered nowhere. {hint}Check the '
        'spelling, or import the module that registers it with '
        'custom_imports.'
    )
    if close:
        raise OptionError(message)
    print_log(message, logger='current', level=logging.WARNING)


def _check_arguments(path: str, kind: Any, node: Mapping) -> None:
    known = _arguments(kind)
    if known is None:
        return
    for key in node:
        if key in _BUILDERS or key in known:
            continue
        raise OptionError(
            f'{path}: {kind.__name__} takes no {key!r}'
            f'{did_you_mean(str(key), known)} It takes: '
            f'{", ".join(sorted(known))}.'
        )


def _arguments(kind: Any) -> set | None:
    """Names that a class or function takes; None if it takes any."""
    known: set = set()
    inits = [vars(c).get('__init__') for c in getattr(kind, '__mro__', ())]
    for function in filter(None, inits or [kind]):
        parameters = inspect.signature(function).parameters.values()
        known |= {p.name for p in parameters if p.kind in (1, 3)}
        if inspect.Parameter.VAR_KEYWORD not in {p.kind for p in parameters}:
            return known - {'self'}
    return None


def _warn_of_near_miss(key: str) -> None:
    known = (runner_arguments() | READ_BY_RUNNER) - {'self'}
    if key in known or key.startswith('_'):
        return
    close = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.9)
    if close:
        print_log(
            f'the config has {key!r}, which nothing reads; did you mean '
            f'{close[0]!r}?',
            logger='current',
            level=logging.WARNING,
        )
