"""A server on this machine that has ranges, and delays, cuts and refuses as a test tells it to."""

import email.utils
import hashlib
import http.server
import re
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, suppress


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        place = self.path.partition("?")[0]
        server = self.server
        server.asked.append((place, self.headers.get("Range", "")))
        server.times.append(time.monotonic())
        fault = server.faults[place].pop(0) if server.faults[place] else {}
        if "delay_s" in fault:
            time.sleep(fault["delay_s"])
        if fault.get("status"):
            self._refuse(fault)
            return
        if place not in server.files:
            self.send_error(404)
            return
        self._send(server.files[place], fault)

    def _refuse(self, fault):
        self.send_response(fault["status"])
        if "retry_after" in fault:
            self.send_header("Retry-After", str(fault["retry_after"]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content, fault):
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = self._start(tag, len(content))
        start = start and max(1, start - fault.get("before", 0))
        if start is None:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.has_tags:
            self.send_header("ETag", tag)
        self.send_header("Date", email.utils.formatdate())
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        with suppress(ConnectionError):  # who asked may be gone
            self.wfile.write(body[: fault.get("cut_after")])
            self.wfile.flush()
        if "cut_after" in fault:
            self.close_connection = True

    def _start(self, tag, size):
        """Return where to begin, None when that is beyond the end."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not wanted or self.headers.get("If-Range") not in (None, tag):
            return 0
        return int(wanted[1]) if int(wanted[1]) < size else None

    def log_message(self, *args):
        pass


@contextmanager
def serving(files, has_tags=True):
    """Yield a server of ``{"/place": bytes}``.

    ``faults["/place"]`` lists what is done to the answers to come: ``delay_s``, ``status`` (and
    ``retry_after``), ``cut_after`` (bytes); ``asked`` lists what was asked for: place and range.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.faults, server.has_tags = dict(files), defaultdict(list), has_tags
    server.asked, server.times = [], []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
