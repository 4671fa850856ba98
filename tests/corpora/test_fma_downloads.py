"""Downloads of FMA's size: cut, delayed, refused, wrong, and gone on with."""

import hashlib
import os

import pytest
from helpers.local_server import serving

from genrelib.base.errors import GenrelibError
from genrelib.corpora import fetching

CHUNK = fetching._CHUNK
CONTENT = os.urandom(700_000)
SHA1 = "sha1:" + hashlib.sha1(CONTENT).hexdigest()
PLACE = "/data/large.zip"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(fetching.MIRROR, raising=False)
    waits = []
    monkeypatch.setattr(fetching.time, "sleep", waits.append)
    with serving({PLACE: CONTENT}) as server:
        server.waits = waits
        yield server


def asked_from(server):
    return [int(asked[6:-1]) if asked else 0 for _, asked in server.asked]


def test_a_cut_download_goes_on_where_it_ended(server, tmp_path):
    server.faults[PLACE] = [{"cut_after": 20 * CHUNK + 1}, {"cut_after": 1}, {}]
    path = fetching.fetch(server.url + PLACE, SHA1, tmp_path)
    assert path.read_bytes() == CONTENT
    first, second, third = asked_from(server)
    assert first == 0
    assert 20 * CHUNK <= second <= third
    assert fetching.fetch(server.url + PLACE, SHA1, tmp_path) == path
    assert len(server.asked) == 3
    assert {p.name for p in path.parent.iterdir()} == {"large.zip", "large.zip.lock"}


def test_it_goes_on_in_the_next_run_too(server, tmp_path):
    server.faults[PLACE] = [{"cut_after": 30 * CHUNK}] + 5 * [{"status": 503}]
    with pytest.raises(GenrelibError, match=r"without a byte gained.*503.*what has come is kept"):
        fetching.fetch(server.url + PLACE, SHA1, tmp_path)
    server.faults[PLACE] = []
    del server.asked[:]
    assert fetching.fetch(server.url + PLACE, SHA1, tmp_path).read_bytes() == CONTENT
    assert asked_from(server) == [30 * CHUNK]


def test_progress_counts_more_than_failures(server, tmp_path):
    server.faults[PLACE] = 12 * [{"cut_after": 3 * CHUNK}]
    assert fetching.fetch(server.url + PLACE, SHA1, tmp_path).read_bytes() == CONTENT
    assert asked_from(server) == [3 * CHUNK * k for k in range(13)]
    assert set(server.waits) == {1.0}


def test_waits_grow_while_nothing_comes(server, tmp_path):
    server.faults[PLACE] = fetching.RETRIES * [{"status": 503}]
    fetching.fetch(server.url + PLACE, SHA1, tmp_path)
    assert server.waits == [1.0, 2.0, 4.0]


def test_a_file_that_changed_in_between_is_begun_anew(server, tmp_path):
    server.faults[PLACE] = [{"cut_after": 300_000}] + 4 * [{"status": 503}]
    with pytest.raises(GenrelibError):
        fetching.bring(server.url + PLACE, tmp_path / "a")
    server.faults[PLACE] = []
    server.files[PLACE] = CONTENT[::-1]
    fetching.bring(server.url + PLACE, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT[::-1]


def test_a_part_without_a_tag_is_begun_anew(server, tmp_path):
    server.has_tags = False
    server.faults[PLACE] = [{"cut_after": 300_000}]
    fetching.bring(server.url + PLACE, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert asked_from(server) == [0, 0]


def test_without_a_tag_cuts_that_bring_nothing_new_come_to_an_end(server, tmp_path):
    server.has_tags = False
    server.faults[PLACE] = 9 * [{"cut_after": 300_000}, {"cut_after": 200_000}]
    with pytest.raises(fetching.PassingError, match="without a byte gained"):
        fetching.bring(server.url + PLACE, tmp_path / "a")
    assert asked_from(server) == (1 + fetching.RETRIES) * [0]


def test_another_range_than_asked_for_is_not_appended(server, tmp_path):
    server.faults[PLACE] = [{"cut_after": 20 * CHUNK}, {"before": 5000}]
    fetching.bring(server.url + PLACE, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert asked_from(server) == [0, 20 * CHUNK, 0]


def test_what_is_still_wanting_is_known(server, tmp_path):
    url = server.url + PLACE
    part = tmp_path / f"{fetching.layout(url)}.part"
    assert fetching.wanting_bytes(url, tmp_path, 1000) == 1000
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(900))
    assert fetching.wanting_bytes(url, tmp_path, 1000) == 100
    part.rename(part.with_suffix(""))
    assert fetching.wanting_bytes(url, tmp_path, 1000) == 0


def test_a_part_that_is_whole_already_is_not_fetched_again(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    (tmp_path / "a.part.tag").write_text(f'"{hashlib.md5(CONTENT).hexdigest()}"')
    fetching.bring(server.url + PLACE, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [1, 700_001])
def test_a_part_that_is_none_does_no_harm(server, tmp_path, size):
    (tmp_path / "a.part").write_bytes(bytes(size))
    (tmp_path / "a.part.tag").write_text('"another"')
    fetching.bring(server.url + PLACE, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_leaves_nothing(server, tmp_path):
    wrong = "sha1:" + 40 * "0"
    with pytest.raises(GenrelibError) as caught:
        fetching.fetch(server.url + PLACE, wrong, tmp_path)
    assert wrong in str(caught.value)
    assert SHA1 in str(caught.value)
    assert len(server.asked) == 1
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.name.endswith(".lock") for path in left)


def test_what_is_not_there_is_asked_for_once(server, tmp_path):
    with pytest.raises(GenrelibError, match=r"status 404 .*correct the address"):
        fetching.bring(f"{server.url}/absent.zip", tmp_path / "a")
    assert len(server.asked) == 1


def test_a_server_that_is_gone_is_an_error_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)
    with pytest.raises(GenrelibError, match="tried 4 times without a byte gained"):
        fetching.bring("http://127.0.0.1:9/a.zip", tmp_path / "a")


def test_a_slow_answer_is_a_failure_that_passes(server, tmp_path, monkeypatch):
    monkeypatch.undo()  # waits are real again
    monkeypatch.delenv(fetching.MIRROR, raising=False)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.2)
    server.faults[PLACE] = [{"delay_s": 0.6}]
    assert fetching.fetch(server.url + PLACE, SHA1, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_what_is_too_large_is_refused(server, tmp_path):
    with pytest.raises(GenrelibError, match=r"larger than 0\.1 MB, 0\.7 MB or more"):
        fetching.bring(server.url + PLACE, tmp_path / "a", most_bytes=100_000)


def test_a_mirror_holds_for_long_downloads_too(server, tmp_path, monkeypatch):
    url = "https://example.org/data/large.zip"
    monkeypatch.setenv(fetching.MIRROR, server.url)
    server.files["/example.org/data/large.zip"] = CONTENT
    server.faults["/example.org/data/large.zip"] = [{"cut_after": 300_000}]
    kept = fetching.fetch(url, SHA1, tmp_path / "kept")
    assert kept.read_bytes() == CONTENT
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path / "kept"))
    assert fetching.fetch(url, SHA1, tmp_path / "other") == kept
    assert not (tmp_path / "other").exists()
