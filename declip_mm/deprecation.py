"""Old names that are still understood, each with a notice.

The policy is in CONTRIBUTING.md: what a user may have written in a config, a
script or a command line works for one more minor version, and says what to
write instead.
"""

import functools
import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mmengine.registry import Registry

__all__ = [
    'dropped_arguments',
    'old_exports',
    'register_old_name',
    'renamed_arguments',
    'say_renamed',
    'take_new_names',
    'todays_part',
]

_F = TypeVar('_F', bound=Callable[..., Any])
_Change = Callable[[MutableMapping], None]
_said: set[tuple[str, str, str]] = set()
#: Old -> new name of a class in configs.
_types: dict[str, str] = {}
#: Class or function -> what brings its arguments up to date.
_changes: dict[str, list[_Change]] = {}


def say_renamed(where: str, old: str, new: str) -> None:
    """Tell once what an old name is called now."""
    _say(
        (where, old, new),
        f'{where}: {old} is called {new} now; the old name is read until the '
        'next minor version.',
    )


def _say(key: tuple[str, str, str], text: str) -> None:
    if key not in _said:
        _said.add(key)
        _tell(text)


def _tell(text: str) -> None:
    """Into the log of the run, if there is one."""
    # an old flag is read before anything needs mmengine, and with it torch
    from mmengine.logging import print_log

    print_log(text, logger='current', level=logging.WARNING)


def renamed_arguments(**names: str) -> Callable[[_F], _F]:
    """Let a function take arguments by their old names, too.

    A dict by the old name is laid over one by the new: configs of a user say
    the old one, and the bases of ours below them the new.

    Args:
        names: Old name -> new name.

    Raises:
        TypeError: (of the function) An argument was given by both names, and
            they are no dicts.
    """

    def change(where: str, arguments: MutableMapping) -> None:
        for old, new in names.items():
            if old not in arguments:
                continue
            value = arguments.pop(old)
            if new in arguments:
                value = _laid_over(arguments[new], value, where, old, new)
            say_renamed(where, old, new)
            arguments[new] = value

    return _changing(change)


def dropped_arguments(**instead: str) -> Callable[[_F], _F]:
    """Let a function take arguments that mean nothing any more.

    Args:
        instead: Old name -> what is so now, and what to do.
    """

    def change(where: str, arguments: MutableMapping) -> None:
        for old, now in instead.items():
            if old in arguments:
                said = f'{where}: {old}={arguments.pop(old)!r} is read no more'
                _say((where, old, ''), f'{said}: {now}.')

    return _changing(change)


def take_new_names(config: Any) -> None:
    """Bring a config up to date, in place, before anything looks into it.

    Only what has been imported is known to have had other names.
    """
    if isinstance(config, MutableMapping):
        kind = config.get('type')
        name = str(getattr(kind, '__name__', kind)).split('.')[-1]
        if name in _types:
            say_renamed('config', f'type={name!r}', repr(_types[name]))
            config['type'] = name = _types[name]
        for change in _changes.get(name, ()):
            change(config)
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for value in config:
            take_new_names(value)


def todays_part(model: Any, name: str, where: str) -> str:
    """What a part or parameter of a model is called now.

    Args:
        model: Its ``renamed_parts`` has old name -> new name.
        name: Of the part, or with a parameter's name behind a dot.
        where: Who names it, for the notice.
    """
    for old, new in getattr(model, 'renamed_parts', {}).items():
        if name == old or name.startswith(f'{old}.'):
            say_renamed(where, old, new)
            return new + name[len(old) :]
    return name


def _changing(change: Callable[[str, MutableMapping], None]) -> Any:
    """Decorator that has the arguments of each call changed, in place."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        where = function.__qualname__.removesuffix('.__init__')
        bound = functools.partial(change, where)
        _changes.setdefault(where, []).append(bound)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound(kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def _laid_over(below: Any, value: Any, where: str, old: str, new: str) -> Any:
    if not (isinstance(below, Mapping) and isinstance(value, Mapping)):
        raise TypeError(
            f'{where} got {new} and its old name {old}; give {new} alone.'
        )
    from mmengine.config import Config

    both = Config(dict(both=dict(below)))
    both.merge_from_dict(dict(both=dict(value)))
    return both.both


def register_old_name(registry: 'Registry', old: str, cls: type) -> None:
    """Let configs name a class by its old name, too."""

    def build(*args: Any, **kwargs: Any) -> Any:
        say_renamed('config', f'type={old!r}', repr(cls.__name__))
        return cls(*args, **kwargs)

    registry.register_module(name=old, module=build)
    _types[old] = cls.__name__


def old_exports(module: str, **classes: type) -> Callable[[str], type]:
    """The ``__getattr__`` of a module whose classes had other names.

    Args:
        module: Its ``__name__``.
        classes: Old name -> class.
    """

    def find(name: str) -> type:
        if name not in classes:
            raise AttributeError(f'module {module!r} has no {name!r}')
        found = classes[name]
        say_renamed(module, name, f'{found.__module__}.{found.__name__}')
        return found

    return find
