"""The options of command lines: shared ones, and what --cfg-options may name.

mmengine merges any key into a config: ``randomnes.seed=3`` trains with the old
seed and says nothing. A new key is let through only
where somebody checks it later: beside a ``type`` (the constructor refuses what
it does not know), in the few plain dicts that mmengine unpacks into a call, or
as an argument of the Runner.
"""

import argparse
import difflib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..deprecation import say_renamed
from ..trust import TRUST

if TYPE_CHECKING:
    from mmengine.config import Config

#: How ``declip`` calls the scripts that it runs.
TOOL_MODULE = 'declip_tool_'
# plain dicts whose keys mmengine passes on to a call as keyword arguments
CHECKED_LATER = {'auto_scale_lr', 'optim_wrapper', 'randomness'} | {
    f'{part}_{what}'
    for part in ('train', 'val', 'test')
    for what in ('cfg', 'dataloader')
}
# read from the config by mmengine, though no argument of the Runner
READ_BY_RUNNER = frozenset(
    'activation_checkpointing auto_scale_lr compile efficient_conv_bn_eval '
    'find_unused_parameters model_wrapper_cfg runner_type sync_bn tta_model '
    'tta_pipeline'.split()
)


@functools.cache
def runner_arguments() -> frozenset[str]:
    """What mmengine's Runner takes."""
    from mmengine.runner import Runner

    return frozenset(inspect.signature(Runner).parameters)


class OptionError(ValueError):
    """A config, option or file that the command line cannot use."""


class ConfigOptions(argparse.Action):
    """mmengine's action, with a usage message instead of a traceback.

    It is asked when the option is given: with it comes torch.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        bad = [v for v in values if not v.partition('=')[1] or v[0] == '=']
        if bad:
            raise argparse.ArgumentError(
                self, f'got {", ".join(bad)}; wanted is KEY=VALUE'
            )
        from mmengine.config import DictAction

        read = DictAction(self.option_strings, self.dest)
        try:
            read(parser, namespace, values, option_string)
        # of brackets that do not match
        except (AssertionError, ValueError) as error:
            raise argparse.ArgumentError(self, str(error)) from error


def at_least(low: float, kind: type = int) -> Callable[[str], Any]:
    """A ``type`` for numbers of a command line that have a lower bound."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= low:  # NaN is not
            what = 'whole number' if kind is int else 'number'
            raise argparse.ArgumentTypeError(
                f'got {text}; allowed is a {what} of {low} or more'
            )
        return value

    return read


def check_share(option: str, value: float | None, what: str) -> None:
    """Refuse what is not from 0 to 1; None is an option that is not given.

    Raises:
        OptionError: Names the option, and ``what`` it is to be.
    """
    if value is not None and not 0 <= value <= 1:
        raise OptionError(
            f'--{option} {value} is no {what}: allowed are 0 to 1'
        )


def scale(text: str) -> float | str:
    """A ``type`` for the scale of attention: a number, or ``rsqrt``."""
    return text if text == 'rsqrt' else float(text)


#: What means the same in every tool, as ``add_argument`` takes it.
SHARED: dict[str, dict] = {
    'config': dict(help='config file'),
    'checkpoints': dict(
        nargs='+',
        metavar='[LABEL=]WEIGHTS|none|original',
        help="none: the config's own; original: these, plain CLIP",
    ),
    'images': dict(nargs='+', help='pictures, folders or patterns'),
    '--allow-new-options': dict(
        action='store_true',
        help='let --cfg-options add keys that the config does not have',
    ),
    '--background': dict(
        default='auto',
        help="texts of a class background, 'stuff' (26 words), 'none', or "
        "'auto': 'stuff' for a single name",
    ),
    '--cfg-options': dict(
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='change the config: a.b=1 c="[1,2]" d="[(a,b),(c,d)]"',
    ),
    '--config-of': dict(
        action='append',
        default=[],
        metavar='LABEL=CONFIG',
        help='another config for one line (may be given several times)',
    ),
    '--device': dict(help='cuda:0, cpu ...'),
    '--license': dict(help='of the weights, recorded'),
    '--limit': dict(type=at_least(1), help='only the first pictures'),
    '--max-side': dict(
        type=int,
        help='scale pictures with a longer side down to it (default: never)',
    ),
    '--scale': dict(type=scale, help="a number or 'rsqrt'"),
    '--threshold': dict(
        type=float, help='least probability of a class, 0 to 1'
    ),
    '--trust-pickle': dict(
        metavar=TRUST,
        help='run code in the file; only for files of people you trust',
    ),
}
_OLD_FLAGS = {'--licence': '--license', '--pictures': '--images'}


class _ToolParser(argparse.ArgumentParser):
    """Reads flags by their old names, too, with a notice."""

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        given = sys.argv[1:] if args is None else args
        return super().parse_known_args(map(self._today, given), namespace)

    def _today(self, argument: str) -> str:
        flag, equals, value = argument.partition('=')
        new = _OLD_FLAGS.get(flag)
        if new not in self._option_string_actions:
            return argument
        say_renamed(self.prog, flag, new)
        return f'{new}{equals}{value}'


def tool_parser(doc: str | None, **options: Any) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows a docstring as it is written."""
    options.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
    return _ToolParser(description=doc, **options)


def help_first(
    name: str, parse_args: Callable[[], Any], tool: str | None = None
) -> None:
    """Print the help of a tool that is run with --help, and leave.

    A tool calls it above the imports that take seconds.

    Args:
        name: ``__name__`` of the tool: it is run, or imported by another.
        parse_args: What reads the command line.
        tool: Name of the script that runs ``name``, if it is another file.
    """
    run = name == '__main__' or name.startswith(TOOL_MODULE)
    if tool is not None:
        # a script, or `declip` and a word
        run |= Path(sys.argv[0]).stem.split()[-1:] == [Path(tool).stem]
    if run and {'-h', '--help'} & set(sys.argv[1:]):
        parse_args()


def add_shared(
    parser: argparse.ArgumentParser, *names: str, **changes: Any
) -> None:
    """Add some of :data:`SHARED`; ``changes`` go before what it says."""
    for name in names:
        said = {**SHARED[name], **changes}
        if changes.get('default'):
            said['help'] += ' (default: %(default)s)'
        parser.add_argument(name, **said)


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """The options of a ``DenseEncoder``, which encodes pictures."""
    add = parser.add_argument
    add('--weights', help='exported backbone, folder or hub repository')
    add(
        '--text',
        help='weight file or open_clip tag of the text tower (default: what '
        'the weights name)',
    )
    add(
        '--prompts',
        help="prompt set, such as 'openai' or 'name' (default: what the "
        'weights were measured with)',
    )
    add(
        '--short-side',
        type=at_least(16),
        help='pixels that the short side is scaled to (default: what the '
        'weights were trained at)',
    )
    add(
        '--window',
        type=at_least(16),
        help='side of sliding windows in pixels (default: one pass)',
    )
    add(
        '--stride',
        type=at_least(1),
        help='step between windows (default: a third of the window)',
    )
    add('--batch', type=at_least(1), help='windows at a time (default: 8)')


def encoder_options(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_encoder` has read, as ``DenseEncoder`` takes it."""
    names = 'short_side window stride batch prompts device'.split()
    given = {name: getattr(args, name) for name in names}
    return {name: one for name, one in given.items() if one is not None}


def runner_parser(doc: str | None, written: str) -> argparse.ArgumentParser:
    """What training and testing share; their own arguments are to come.

    Args:
        doc: Docstring of the tool.
        written: What the work directory gets, for the help.
    """
    parser = tool_parser(doc)
    add_shared(
        parser,
        'config',
        '--cfg-options',
        '--allow-new-options',
        '--trust-pickle',
    )
    parser.add_argument(
        '--work-dir',
        help=f'where {written} go (default: what the config says, then '
        'work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (torchrun: pytorch)',
    )
    # torch.distributed.launch passes the second spelling since torch 2.0
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def parse(
    parser: argparse.ArgumentParser, args: Sequence[str] | None
) -> argparse.Namespace:
    """Parse, and hand the local rank to mmengine, which reads a variable."""
    parsed = parser.parse_args(args)
    if parsed.trust_pickle not in (None, TRUST):
        parser.error(
            f'--trust-pickle {parsed.trust_pickle}: write --trust-pickle '
            f'{TRUST} to let code in checkpoints run'
        )
    os.environ.setdefault('LOCAL_RANK', str(parsed.local_rank))
    return parsed


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """How a sentence on an unknown key ends."""
    close = difflib.get_close_matches(key, sorted(known), n=1)
    return f'; did you mean {close[0]!r}?' if close else '.'


def check_options(cfg: 'Config | Mapping', options: Mapping[str, Any]) -> None:
    """Checks dotted options against the config they shall change.

    Args:
        cfg: The config: nested dicts and lists.
        options: Dotted key to value, as ``mmengine.DictAction`` gives them.

    Raises:
        OptionError: Names the option, where it leaves the config, and the
            nearest key that exists there.
    """
    from mmengine.config import Config

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
        known |= runner_arguments() | READ_BY_RUNNER
        allowed = key in known - {'self', 'cfg'}
    else:
        allowed = 'type' in parent or '.'.join(path) in CHECKED_LATER
    if allowed:
        return
    where = repr('.'.join(path)) if path else 'the config'
    raise OptionError(
        f'--cfg-options {option}: {where} has no {key!r}'
        f'{did_you_mean(key, known)} It has: '
        f'{", ".join(sorted(map(str, parent)))}. To add a key all the same, '
        'pass --allow-new-options'
    )
