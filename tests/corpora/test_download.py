import functools
import hashlib
import http.server
import threading

import pooch
import pytest

from genrelib.base.errors import GenrelibError
from genrelib.corpora import fetching

URL = "https://example.org/records/1/files/list.txt?download=1"
PLACE = "example.org/records/1/files/list.txt"
CONTENT = b"published"
SHA = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tmp_path):
    path = tmp_path / "mirror" / PLACE
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path / "mirror"


@pytest.fixture
def server(mirror, monkeypatch):
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    handler = functools.partial(Handler, directory=str(mirror))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked, server.failures = [], 0
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch):
    monkeypatch.delenv(fetching.MIRROR, raising=False)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URL, PLACE),
        ("http://a.b/c.tar.gz", "a.b/c.tar.gz"),
        ("https://web.archive.org/web/1/http://a.b/c.gz", "web.archive.org/web/1/http:/a.b/c.gz"),
    ],
)
def test_layout_is_that_of_wget(url, place):
    assert fetching.layout(url) == place


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_mirror_folder_is_used_where_it_lies(mirror, tmp_path, monkeypatch, prefix):
    monkeypatch.setenv(fetching.MIRROR, f"{prefix}{mirror}")
    before = (mirror / PLACE).stat()
    assert fetching.fetch(URL, SHA, tmp_path / "kept") == mirror / PLACE
    assert (mirror / PLACE).stat().st_mtime_ns == before.st_mtime_ns
    assert not (tmp_path / "kept").exists()


def test_a_relative_mirror_is_found(mirror, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(fetching.MIRROR, "mirror")
    assert fetching.fetch(URL, SHA, tmp_path / "kept").is_absolute()


def test_a_mirror_that_lacks_the_file_says_where_it_looked(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, str(mirror))
    other = "https://example.org/other.txt"
    with pytest.raises(GenrelibError) as caught:
        fetching.fetch(other, SHA, tmp_path / "kept")
    for said in (other, str(mirror / "example.org/other.txt"), "unset", fetching.MIRROR):
        assert said in str(caught.value)


def test_a_mirror_that_is_no_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path / "nowhere"))
    with pytest.raises(GenrelibError, match="is not a folder"):
        fetching.fetch(URL, SHA, tmp_path / "kept")


def test_the_checksum_holds_for_a_mirror_folder(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, str(mirror))
    wrong = "sha256:" + "0" * 64
    with pytest.raises(GenrelibError) as caught:
        fetching.fetch(URL, wrong, tmp_path / "kept")
    assert wrong in str(caught.value)
    assert SHA in str(caught.value)


def test_a_mirror_url_is_asked_once(server, tmp_path, monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, server.url + "/")
    kept = fetching.fetch(URL, SHA, tmp_path / "kept")
    assert kept == tmp_path / "kept" / PLACE
    assert kept.read_bytes() == CONTENT
    assert fetching.fetch(URL, SHA, tmp_path / "kept") == kept
    assert server.asked == ["/" + PLACE]


def test_without_a_mirror_the_published_address_is_asked(server, tmp_path):
    kept = fetching.fetch(f"{server.url}/{PLACE}?download=1", SHA, tmp_path / "kept")
    assert kept.read_bytes() == CONTENT


def test_downloads_serve_as_a_mirror(server, tmp_path, monkeypatch):
    url = f"{server.url}/{PLACE}"
    kept = fetching.fetch(url, SHA, tmp_path / "kept")
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path / "kept"))
    assert fetching.fetch(url, SHA, tmp_path / "elsewhere") == kept


def test_a_failing_server_is_asked_again(server, tmp_path):
    server.failures = fetching.RETRIES
    kept = fetching.fetch(f"{server.url}/{PLACE}", SHA, tmp_path)
    assert kept.read_bytes() == CONTENT
    assert len(server.asked) == fetching.RETRIES + 1


def test_a_server_that_goes_on_failing_is_an_error(server, tmp_path, monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, server.url)
    with pytest.raises(GenrelibError) as caught:
        fetching.fetch("https://example.org/absent.txt", SHA, tmp_path)
    for said in ("https://example.org/absent.txt", server.url, "404"):
        assert said in str(caught.value)


def test_a_wrong_download_is_refused_and_leaves_nothing(server, tmp_path):
    wrong = "sha256:" + "0" * 64
    with pytest.raises(GenrelibError) as caught:
        fetching.fetch(f"{server.url}/{PLACE}", wrong, tmp_path / "kept")
    assert "0" * 64 in str(caught.value)
    assert SHA.partition(":")[2] in str(caught.value)
    left = [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert left == ["list.txt.lock"]  # no byte of it


def test_a_damaged_kept_file_is_fetched_again(server, tmp_path):
    url = f"{server.url}/{PLACE}"
    fetching.fetch(url, SHA, tmp_path).write_bytes(b"damaged")
    assert fetching.fetch(url, SHA, tmp_path).read_bytes() == CONTENT
