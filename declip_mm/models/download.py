"""The one place that fetches published files, and the one rule when.

Every tag of open_clip, model of timm or mmpretrain and repository of a hub
comes through here, for image towers, text towers and teachers alike: naming
it asks for it. A file that is in the cache is taken without a look at the
network; any other is fetched, unless ``DECLIP_DOWNLOAD=0`` is in the
environment, which forbids it for all of them. The host has a few seconds to
say that it has the file. Whatever goes wrong is one sentence: what was wanted,
from where, what happened, what to do.
"""

import errno
import functools
import logging
import os
import queue
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import atomically

__all__ = [
    'OPEN_CLIP',
    'RULE',
    'SWITCH',
    'DownloadError',
    'cached',
    'fetch_from_hub',
    'fetch_tag',
    'fetch_url',
    'list_hub',
    'may_download',
]

#: Environment variable: 0 forbids to fetch, 1 (or unset) allows it.
SWITCH = 'DECLIP_DOWNLOAD'
#: In words, for arguments that once said it for one part.
RULE = (
    f'what is named is fetched if it is not in the cache; {SWITCH}=0 in the '
    'environment forbids that, for every tower and teacher'
)

#: Seconds within which a host has to answer.
PATIENCE = 3.0
#: How often a transfer may break off and be taken up again.
BREAKS = 5

#: How the libraries say that a file ended too soon.
_BROKEN = re.compile(
    r'\d+ bytes read, \d+ more expected|should be of size \d+ but has size \d+'
)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
#: How open_clip calls weights on the hub, best first.
OPEN_CLIP = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')


class DownloadError(ConnectionError):
    """A published file that is not here and did not come."""


class _BrokenError(ConnectionError):
    """A transfer that stopped in the middle."""


class _ForbiddenError(ConnectionError):
    """The switch is off."""


def may_download() -> bool:
    """What the switch says.

    Raises:
        ValueError: It says neither 0 nor 1.
    """
    said = os.environ.get(SWITCH, '').strip()
    if said not in ('', '0', '1'):
        raise ValueError(
            f'{SWITCH}={said!r}: allowed are 0 (fetch nothing) and 1, which '
            'is the default.'
        )
    return said != '0'


def fetch_tag(settings: dict[str, Any], wanted_by: str) -> str:
    """The weight file of an open_clip tag.

    Args:
        settings: What open_clip records of the tag.
        wanted_by: Model and tag, for messages.

    Raises:
        DownloadError: It is not in the cache and cannot be fetched.
    """
    place = settings.get('hf_hub')
    if settings.get('file'):
        return settings['file']
    if not place:
        folder = os.path.expanduser('~/.cache/clip')
        return fetch_url(settings['url'], wanted_by, folder)
    repository, _, name = place.rpartition('/')
    names = [name] if name else list(OPEN_CLIP)
    return fetch_from_hub(repository, names, wanted_by)


def fetch_from_hub(
    repository: str,
    names: Sequence[str],
    wanted_by: str,
    revision: str | None = None,
) -> str:
    """The first of some files that a repository has.

    Args:
        repository: ``user/name``.
        names: Of the file, best first.
        wanted_by: For messages.
        revision: Branch, tag or commit.

    Raises:
        DownloadError: None is in the cache, and none can be fetched.
    """
    import huggingface_hub as hub

    found = cached(repository, names, revision)
    if found is not None:
        return found
    what = f'{" or ".join(names)} of {repository}'
    with _told(what, hub.constants.ENDPOINT, wanted_by):
        if hub.constants.HF_HUB_OFFLINE:
            raise hub.errors.OfflineModeIsEnabled
        name = _first_there(hub, repository, names, revision)
        with _few_breaks():
            return hub.hf_hub_download(repository, name, revision=revision)


def cached(
    repository: str, names: Sequence[str], revision: str | None = None
) -> str | None:
    """The first of some files of a repository that is in the cache."""
    import huggingface_hub as hub

    for name in names:
        found = hub.try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(found, str):
            return found
    return None


def _first_there(
    hub: Any, repository: str, names: Sequence[str], revision: str | None
) -> str:
    """The first name that the hub has; its last answer if it has none."""
    for name in names:
        url = hub.hf_hub_url(repository, name, revision=revision)
        try:
            headers = hub.utils.build_hf_headers()
            _answer(functools.partial(_ask, url, headers))
            return name
        except urllib.error.HTTPError as error:
            if error.code != 404 or name == names[-1]:
                raise
    raise ValueError(f'no file of {repository} is asked for')


def list_hub(
    repository: str, wanted_by: str, revision: str | None = None
) -> list[str]:
    """Names of the files of a repository.

    Raises:
        DownloadError: The hub cannot be reached or does not have it.
    """
    import huggingface_hub as hub

    host = hub.constants.ENDPOINT
    with _told(f'the file list of {repository}', host, wanted_by):
        api = hub.HfApi(endpoint=host)
        found = _answer(
            lambda: api.model_info(
                repository, revision=revision, timeout=_patience()
            )
        )
    return [entry.rfilename for entry in found.siblings or ()]


def fetch_url(url: str, wanted_by: str, folder: str | None = None) -> str:
    """A file by its address, kept in a folder (torch hub's unless given).

    Raises:
        DownloadError: It is not in the folder and cannot be fetched.
    """
    default = os.path.join(torch.hub.get_dir(), 'checkpoints')
    path = Path(folder or default) / url.rsplit('/', 1)[-1]
    if path.is_file():
        return str(path)
    host = '/'.join(url.split('/')[:3])
    with _told(path.name, host, wanted_by), atomically(path) as part:
        size = _answer(lambda: _ask(url, {}))
        with _default_timeout(10 * _patience()):
            torch.hub.download_url_to_file(url, str(part))
        got = part.stat().st_size
        if size and got != size:
            raise _BrokenError(
                f'the transfer broke off after {got} of {size} bytes'
            )
    return str(path)


def _patience() -> float:
    """The hub's own setting, where the user made it."""
    return float(os.environ.get('HF_HUB_ETAG_TIMEOUT') or PATIENCE)


class _Stay(urllib.request.HTTPRedirectHandler):
    """A file that lies elsewhere is there; tokens must not follow it."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(url: str, headers: dict[str, str]) -> int:
    """Bytes of the file under an address, 0 where the host does not say."""
    head = urllib.request.Request(url, headers=headers, method='HEAD')
    try:
        opener = urllib.request.build_opener(_Stay)
        with opener.open(head, timeout=_patience()) as answer:
            return int(answer.headers.get('Content-Length') or 0)
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400:
            return 0
        raise
    except urllib.error.URLError as error:
        # The libraries have certificates of their own: they shall decide.
        if isinstance(error.reason, ssl.SSLError):
            return 0
        raise


def _answer(ask: Callable[[], Any]) -> Any:
    """The host's answer, or TimeoutError.

    In a thread, because looking up a host's name knows no time limit.
    """
    box: queue.Queue = queue.Queue()

    def work() -> None:
        try:
            box.put((ask(), None))
        except BaseException as error:
            box.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        found, error = box.get(timeout=_patience() + 0.5)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return found


@contextmanager
def _default_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _few_breaks() -> Iterator[None]:
    """The hub's library takes a broken transfer up again without end."""
    log = logging.getLogger('huggingface_hub.file_download')
    seen = 0

    def count(record: logging.LogRecord) -> bool:
        nonlocal seen
        seen += 'resume' in record.getMessage()
        if seen >= BREAKS:
            raise _BrokenError(
                f'the transfer broke off {seen} times; the next attempt goes '
                'on where it ended'
            )
        return False

    log.addFilter(count)
    try:
        yield
    finally:
        log.removeFilter(count)


@contextmanager
def _told(what: str, host: str, wanted_by: str) -> Iterator[None]:
    """Turn whatever goes wrong into one sentence."""
    from huggingface_hub import constants

    allowed = may_download()
    try:
        if not allowed:
            raise _ForbiddenError
        yield
    except Exception as error:
        raise DownloadError(
            f'{wanted_by} wants {what}, which is not here and could not be '
            f'fetched from {host}: {_reason(error)}. Fetch it where there is '
            'a network and give the path of the file instead, or bring the '
            f'cache along ({constants.HF_HUB_CACHE}; HF_HOME names another); '
            'HF_ENDPOINT names a mirror.'
        ) from error


def _reason(error: BaseException) -> str:
    """What happened, in a few words; libraries write paragraphs."""
    status = getattr(getattr(error, 'response', None), 'status_code', None)
    status = status or getattr(error, 'code', None)
    kind, text = type(error).__name__, ' '.join(str(error).split())
    if isinstance(error, _ForbiddenError):
        return f'{SWITCH}=0 forbids it'
    if kind == 'OfflineModeIsEnabled':
        return 'HF_HUB_OFFLINE is set, which forbids to ask'
    headers = getattr(error, 'headers', None) or {}
    if kind == 'GatedRepoError' or headers.get('X-Error-Code') == 'GatedRepo':
        return (
            f'the host answers {status}: its owner wants terms accepted; do '
            'that on its page, then set HF_TOKEN'
        )
    if status in (401, 403):
        return (
            f'the host answers {status}: there is no such repository, or it '
            'wants a token (HF_TOKEN)'
        )
    if status == 404:
        return 'the host answers 404: it has no such file'
    if status:
        return f'the host answers {status}'
    inner = getattr(error, 'reason', None)
    if isinstance(inner, TimeoutError) or 'timeout' in kind.lower():
        return (
            f'no answer within {_patience():g} seconds '
            '(HF_HUB_ETAG_TIMEOUT=30 waits longer)'
        )
    if isinstance(error, _BrokenError):
        return text
    broken = _BROKEN.search(text)
    if broken:
        return f'the transfer broke off ({broken[0]})'
    cause = _system_error(error)
    if cause or 'Connect' in kind:
        return f'it cannot be reached ({cause or text[:160]})'
    return f'{kind}: {text[:160]}'


def _system_error(error: BaseException | None) -> str:
    """What the operating system said, below the libraries' wrappings."""
    found, seen = '', set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        network = isinstance(error, (ConnectionError, socket.gaierror))
        if network or getattr(error, 'errno', None) in _UNREACHABLE:
            found = getattr(error, 'strerror', None) or found
        inner = getattr(error, 'reason', None)
        inner = inner if isinstance(inner, BaseException) else None
        error = inner or error.__cause__ or error.__context__
    return found
