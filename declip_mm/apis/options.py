"""Refuses ``--cfg-options`` that no part of the program would ever read.

mmengine merges any key into a config: ``randomnes.seed=3`` trains with the old
seed and says nothing. A new key is let through only
where somebody checks it later: beside a ``type`` (the constructor refuses what
it does not know), in the few plain dicts that mmengine unpacks into a call, or
as an argument of the Runner.
"""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

# plain dicts whose keys mmengine passes on to a call as keyword arguments
CHECKED_LATER = frozenset(
    {
        'auto_scale_lr',
        'optim_wrapper',
        'randomness',
        'test_cfg',
        'test_dataloader',
        'train_cfg',
        'train_dataloader',
        'val_cfg',
        'val_dataloader',
    }
)
RUNNER_ARGUMENTS = frozenset(inspect.signature(Runner).parameters)
# read from the config by mmengine, though no argument of the Runner
READ_BY_RUNNER = frozenset(
    {
        'activation_checkpointing',
        'auto_scale_lr',
        'compile',
        'efficient_conv_bn_eval',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'runner_type',
        'sync_bn',
        'tta_model',
        'tta_pipeline',
    }
)


class OptionError(ValueError):
    """A config, option or file that the command line cannot use."""


def check_options(cfg: Config | Mapping, options: Mapping[str, Any]) -> None:
    """Checks dotted options against the config they shall change.

    Args:
        cfg: The config: nested dicts and lists.
        options: Dotted key to value, as ``mmengine.DictAction`` gives them.

    Raises:
        OptionError: Names the option, where it leaves the config, and the
            nearest key that exists there.
    """
    tree = cfg.to_dict() if isinstance(cfg, Config) else cfg
    for option in options:
        _check_option(tree, option)


def _check_option(cfg: Mapping, option: str) -> None:
    node: Any = cfg
    path: list[str] = []
    for key in option.split('.'):
        if isinstance(node, Mapping):
            if key not in node:
                _check_new_key(node, path, key, option)
                return
            node = node[key]
        elif isinstance(node, Sequence) and not isinstance(node, str):
            if not (key.isdigit() and int(key) < len(node)):
                raise OptionError(
                    f'--cfg-options {option}: {".".join(path)!r} is a list '
                    f'of {len(node)}, got {key!r} for a position; allowed '
                    f'are 0 to {len(node) - 1}'
                )
            node = node[int(key)]
        else:
            raise OptionError(
                f'--cfg-options {option}: {".".join(path)!r} is {node!r}, '
                f'which has no {key!r}; give the whole dict in a config file'
            )
        path.append(key)


def _check_new_key(
    parent: Mapping, path: list[str], key: str, option: str
) -> None:
    """Lets a key through that the config does not have, or refuses it."""
    known = set(parent)
    if not path:
        known |= RUNNER_ARGUMENTS | READ_BY_RUNNER
        allowed = key in known - {'self', 'cfg'}
    else:
        allowed = 'type' in parent or '.'.join(path) in CHECKED_LATER
    if allowed:
        return
    close = difflib.get_close_matches(key, sorted(known), n=1)
    hint = f'; did you mean {close[0]!r}?' if close else '.'
    where = f'{".".join(path)!r}' if path else 'the config'
    raise OptionError(
        f'--cfg-options {option}: {where} has no {key!r}{hint} '
        f'It has: {", ".join(sorted(map(str, parent)))}. To add a key all '
        'the same, pass --allow-new-options'
    )
