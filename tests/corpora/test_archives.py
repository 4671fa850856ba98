import contextlib
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.corpora import archives

FILES = {"genres/blues/b.wav": b"b" * 5000, "genres/rock/r.wav": b"r" * 100, "README.md": b"read"}
STRAY = {"genres/blues/._b.wav": b"x" * 211, "genres/.DS_Store": b"x", "__MACOSX/a.wav": b"x"}


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path, files, **special):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind in special.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../outside"
            archive.addfile(info)
    return path


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != archives.MARKER
    }


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_files_come_out_and_strays_stay(write, tmp_path):
    archive = write(tmp_path / "a", FILES | STRAY)
    folder = archives.extract(archive, tmp_path / "out", identity="a")
    assert contents(folder) == FILES
    assert archives.is_extracted(folder, "a")
    assert not archives.is_extracted(folder, "b")


EVIL = ["../x.txt", "/x.txt", "a/../../x.txt", "..", "C:/x.txt"]


@pytest.mark.parametrize("name", ["a\\b.txt", "a\\..\\x.txt"])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_backslashes_are_refused_for_what_they_are(write, name, tmp_path):
    archive = write(tmp_path / "a", FILES | {name: b"x"})
    with pytest.raises(GenrelibError, match="backslashes, which some programs write in place"):
        archives.extract(archive, tmp_path / "out", identity="a")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_paths_that_lead_out_are_refused(write, name, tmp_path):
    (tmp_path / "in").mkdir()
    archive = write(tmp_path / "in/a", FILES | {name: b"x"})
    with pytest.raises(GenrelibError, match="leads out of its folder"):
        archives.extract(archive, tmp_path / "deep/out", identity="a")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(kind, tmp_path):
    archive = write_tar(tmp_path / "a.tar.gz", FILES, strange=kind)
    with pytest.raises(GenrelibError, match="neither a file nor a folder"):
        archives.extract(archive, tmp_path / "out", identity="a")
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(GenrelibError, match="neither a file nor a folder"):
        archives.extract(tmp_path / "a.zip", tmp_path / "out", identity="a")


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="ab./\\:~ ", min_size=1, max_size=12))
def test_no_member_ever_lands_outside(name):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        archive = write_tar(root / "a.tar.gz", {name: b"x"})
        with contextlib.suppress(GenrelibError):
            archives.extract(archive, root / "deep/er/out", identity="a")
        outside = {
            p for p in root.rglob("*") if p.is_file() and root / "deep/er/out" not in p.parents
        }
        assert outside == {archive}


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_interruption_loses_nothing(write, tmp_path, monkeypatch):
    archive = write(tmp_path / "a", FILES)
    written, really = [], archives._write

    def interrupted(member, path):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(member.name)
        really(member, path)

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            archives.extract(archive, tmp_path / "out", identity="a")
    assert not archives.is_extracted(tmp_path / "out", "a")
    monkeypatch.setattr(archives, "_write", lambda m, p: (written.append(m.name), really(m, p)))
    assert contents(archives.extract(archive, tmp_path / "out", identity="a")) == FILES
    assert sorted(written) == sorted(FILES)


def test_what_was_cut_or_deleted_is_restored(tmp_path):
    archive = write_zip(tmp_path / "a", FILES)
    folder = archives.extract(archive, tmp_path / "out", identity="a")
    (folder / "README.md").unlink()
    os.truncate(folder / "genres/blues/b.wav", 10)
    assert not archives.is_extracted(folder, "a")
    archives.extract(archive, folder, identity="a")
    assert contents(folder) == FILES


def test_another_archive_replaces_what_was_extracted(tmp_path):
    archives.extract(write_zip(tmp_path / "a", FILES), tmp_path / "out", identity="a")
    other = {"genres/rock/r.wav": b"R" * 100}
    archives.extract(write_zip(tmp_path / "b", other), tmp_path / "out", identity="b")
    assert contents(tmp_path / "out") == other


def test_a_damaged_marker_counts_as_none(tmp_path):
    archive = write_zip(tmp_path / "a", FILES)
    folder = archives.extract(archive, tmp_path / "out", identity="a")
    (folder / archives.MARKER).write_text("{")
    assert not archives.is_extracted(folder, "a")
    assert contents(archives.extract(archive, folder, identity="a")) == FILES


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_cut_archive_is_an_error(write, tmp_path):
    archive = write(tmp_path / "a", {"noise": os.urandom(50000)})
    os.truncate(archive, 20000)
    with pytest.raises(GenrelibError, match="can't be extracted"):
        archives.extract(archive, tmp_path / "out", identity="a")


def test_what_is_no_archive_is_an_error(tmp_path):
    (tmp_path / "a.zip").write_text("no archive")
    with pytest.raises(GenrelibError, match="can't be extracted"):
        archives.extract(tmp_path / "a.zip", tmp_path / "out", identity="a")
    with pytest.raises(GenrelibError, match="not a file"):
        archives.extract(tmp_path, tmp_path / "out", identity="a")


def test_a_full_disk_is_said_before_it_is_full(tmp_path, monkeypatch):
    archive = write_zip(tmp_path / "a", FILES)
    free = type("usage", (), {"free": 1000})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: free)
    with pytest.raises(GenrelibError, match="free"):
        archives.extract(archive, tmp_path / "out", identity="a")
    assert not (tmp_path / "out").exists()


# -- archives that would take more than they are worth ---------------------------------------------


def test_what_is_far_larger_outside_than_inside_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_FREELY", 2**20)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros.wav", bytes(2**24))
    with pytest.raises(GenrelibError, match=r"bomb.zip of 0.0 MB holds 1 members of 17 MB"):
        archives.extract(archive, tmp_path / "out", identity="a")
    assert not (tmp_path / "out").exists()


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    archive = write_zip(tmp_path / "a", {f"{n}.wav": b"x" for n in range(3)})
    with pytest.raises(GenrelibError, match="holds 3 members"):
        archives.extract(archive, tmp_path / "out", identity="a")


def test_a_name_of_230_bytes_is_extracted_and_a_longer_one_is_refused(tmp_path):
    name = "n" * 226 + ".wav"
    archive = write_tar(tmp_path / "a.tar", {name: b"x"})
    assert contents(archives.extract(archive, tmp_path / "out", identity="a")) == {name: b"x"}
    for long in ("n" * 256, "d/" * 600 + "x"):
        archive = write_tar(tmp_path / "b.tar", {long: b"x"})
        with pytest.raises(GenrelibError, match="255 bytes of each name are allowed"):
            archives.extract(archive, tmp_path / "other", identity="b")


def test_a_header_of_megabytes_is_not_read_into_memory(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**30
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(2048))
    with pytest.raises(GenrelibError, match="a member's header of 1073741824 bytes"):
        archives.extract(tmp_path / "a.tar", tmp_path / "out", identity="a")


def test_a_tar_that_is_cut_between_members_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name in ("a.wav", "b.wav"):
            info = tarfile.TarInfo(name)
            info.size = 512
            file.addfile(info, io.BytesIO(bytes(512)))
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:1024])
    with pytest.raises(GenrelibError, match="it ends without the mark of its end"):
        archives.extract(tmp_path / "a.tar", tmp_path / "out", identity="a")
    assert not (tmp_path / "out").exists()
