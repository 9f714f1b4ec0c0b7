"""A model hub on 127.0.0.1 that behaves, or misbehaves in one way."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = 'a' * 40


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self._reply(body=False)

    def do_GET(self):
        self._reply(body=True)

    def _reply(self, body):
        server = self.server
        server.asked.append(f'{self.command} {self.path}')
        if server.status != 200:
            self.send_response(server.status)
            if server.code:
                self.send_header('X-Error-Code', server.code)
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        name = self.path.rsplit('/', 1)[-1]
        content = server.files.get(name)
        if content is None:
            self.send_response(404)
            self.send_header('X-Error-Code', 'EntryNotFound')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header('ETag', f'"{hash(name) & 0xFFFFFFFF:x}"')
        self.send_header('X-Repo-Commit', COMMIT)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        if body:
            half = len(content) // 2
            self.wfile.write(content[:half] if server.half else content)


@contextmanager
def stand_in_hub(files=(), status=200, code='', half=False):
    """Serve files by their names.

    Args:
        files: Name -> bytes.
        status: What every question is answered with.
        code: The hub's own name of the error.
        half: Break off in the middle of every file.

    Yields:
        The server, with its ``address`` and what it was ``asked``.
    """
    server = ThreadingHTTPServer(('127.0.0.1', 0), _Handler)
    server.files, server.status, server.code = dict(files), status, code
    server.half, server.asked = half, []
    server.address = f'http://127.0.0.1:{server.server_port}'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent_host():
    """Takes every connection and never says a word; gives its address."""
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        listening.listen(16)
        yield f'http://127.0.0.1:{listening.getsockname()[1]}'


def nobody():
    """An address on which nothing listens."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return f'http://127.0.0.1:{free.getsockname()[1]}'


def point_at(monkeypatch, address, cache):
    """What HF_ENDPOINT and HF_HUB_CACHE do at the start of a process."""
    from huggingface_hub import constants, file_download

    template = address + '/{repo_id}/resolve/{revision}/{filename}'
    monkeypatch.setattr(constants, 'ENDPOINT', address)
    for module in (constants, file_download):
        name = 'HUGGINGFACE_CO_URL_TEMPLATE'
        monkeypatch.setattr(module, name, template, raising=False)
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(cache))
