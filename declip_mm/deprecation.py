"""Old names that are still understood, each with a notice.

The policy is in CONTRIBUTING.md: what a user may have written in a config, a
script or a command line works for one more minor version, and says what to
write instead.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from mmengine.logging import print_log
from mmengine.registry import Registry

__all__ = ['register_old_name', 'renamed_arguments', 'say_renamed']

_F = TypeVar('_F', bound=Callable[..., Any])
_said: set[tuple[str, str, str]] = set()


def say_renamed(where: str, old: str, new: str) -> None:
    """Tell once what an old name is called now."""
    if (where, old, new) not in _said:
        _said.add((where, old, new))
        print_log(
            f'{where}: {old} is called {new} now; the old name is read until '
            'the next minor version.',
            logger='current',
            level=logging.WARNING,
        )


def renamed_arguments(**names: str) -> Callable[[_F], _F]:
    """Let a function take arguments by their old names, too.

    Args:
        names: Old name -> new name.

    Raises:
        TypeError: (of the function) An argument was given by both names.
    """

    def decorate(function: _F) -> _F:
        where = function.__qualname__.removesuffix('.__init__')

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            for old, new in names.items():
                if old not in kwargs:
                    continue
                if new in kwargs:
                    raise TypeError(
                        f'{where} got {new} and its old name {old}; give '
                        f'{new} alone.'
                    )
                say_renamed(where, old, new)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    return decorate


def register_old_name(registry: Registry, old: str, cls: type) -> None:
    """Let configs name a class by its old name, too."""

    def build(*args: Any, **kwargs: Any) -> Any:
        say_renamed('config', f'type={old!r}', repr(cls.__name__))
        return cls(*args, **kwargs)

    registry.register_module(name=old, module=build)
