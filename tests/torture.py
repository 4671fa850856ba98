"""What users' files, disks and hands do to a study, and what must come of it: ``make torture``.

Each case says what is expected; what is seen is printed beside it. Cases that take seconds are in
the tests too (``test_torture.py``); kills, full disks and runs side by side take minutes.
"""

import argparse
import io
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import soundfile
from helpers import hostile
from helpers.builders import results, small_project, write_music
from tqdm import tqdm

from genrelib import corpora, store
from genrelib.base.errors import GenrelibError
from genrelib.corpora import archives
from genrelib.store import sharing

SECONDS = 1.5
N_KILLS = 20


class Case(NamedTuple):
    """What is done, what must come of it (a pattern), and what came."""

    name: str
    expected: str
    seen: str

    @property
    def holds(self) -> bool:
        return re.search(self.expected, self.seen) is not None


def refused(function: Callable, *arguments, **options) -> str:
    """Return an error meant for people as text, or that there was none; other errors show."""
    try:
        function(*arguments, **options)
    except GenrelibError as error:
        return f"refused: {error}"
    return "accepted"


# -- audio -----------------------------------------------------------------------------------------


def noise(seconds=SECONDS, sr=22050, channels=1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * sr), channels))


def encoded(y=None, sr=22050, form="WAV", subtype=None) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, noise(sr=sr) if y is None else y, sr, format=form, subtype=subtype)
    return target.getvalue()


def sparse(value: float) -> bytes:
    y = noise()
    y[1000] = value
    return encoded(y, subtype="FLOAT")


def odd_audio() -> Iterator[tuple[str, bytes, str]]:
    """Yield names, contents, and what must come of each: ``used`` or a reason."""
    for sr in (8000, 11025, 16000, 44100, 48000, 96000, 192000):
        yield f"{sr} Hz.wav", encoded(sr=sr), "^used"
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        yield f"{subtype}.wav", encoded(subtype=subtype), "^used"
    for channels in (2, 4, 6, 8):
        yield f"{channels} channels.flac", encoded(noise(channels=channels), form="FLAC"), "^used"
    yield "24 bit.flac", encoded(form="FLAC", subtype="PCM_24"), "^used"
    yield "mono.mp3", encoded(form="MP3"), "^used"
    yield "stereo.mp3", encoded(noise(channels=2), form="MP3"), "^used"
    yield "plain.ogg", encoded(form="OGG"), "^used"
    yield "plain.au", encoded(form="AU"), "^used"
    yield "RIFF in capitals.WAV", encoded(), "^used"
    yield "flac by another name.wav", encoded(form="FLAC"), "^used"
    yield "silence.wav", encoded(np.zeros(33075)), "^used"
    yield "a constant.wav", encoded(np.full(33075, 0.5)), "^used"
    yield "full scale.wav", encoded(np.sign(noise())), "^used"
    yield "beyond full scale.wav", encoded(4 * noise(), subtype="FLOAT"), "^used"
    yield "an hour's name " + "n" * 200 + ".wav", encoded(), "^used"
    yield "-rf.wav", encoded(), "^used"
    yield "new\nline \x1b[31m.wav", encoded(), "^used"
    yield "\u202eright to left.wav", encoded(), "^used"
    yield "$x_1$ <b>&amp;.wav", encoded(), "^used"
    yield "=1+1.wav", encoded(), "^used"
    yield "nothing.wav", b"", "empty"
    yield "text.mp3", b"this is no music\n" * 99, "can't be decoded|no sample"
    yield "zeros.flac", bytes(5000), "can't be decoded"
    yield "a page.ogg", b"<!doctype html><title>404</title>" * 99, "can't be decoded"
    yield "header alone.wav", encoded()[:44], "no samples|can't be decoded"
    yield "cut.flac", encoded(noise(20), form="FLAC")[:9000], "cut or damaged|can't be decoded"
    yield (
        "cut.ogg",
        encoded(noise(20), form="OGG")[:9000],
        "^used|cut or damaged|can't be decoded|lasts",
    )
    yield "a hundredth.wav", encoded(noise(0.01)), r"lasts 0\.01 s"
    yield "not a number.wav", sparse(np.nan), "NaN or infinite"
    yield "infinite.wav", sparse(np.inf), "NaN or infinite"
    yield "1 Hz.wav", encoded(noise(60, 1), 1), "1 Hz and 1 channels"
    yield "8 Hz.wav", encoded(noise(60, 8), 8), "8 Hz and 1 channels"
    yield "33 channels.wav", encoded(noise(channels=33)), "33 channels"
    yield "promises.flac", promising(2**36 - 1), "cut or damaged|can't be decoded|^used"
    for ending in ("m4a", "webm", "mka", "oga", "mp2", "ac3", "caf", "w64", "aifc", "opus"):
        yield f"other.{ending}", b"x" * 99, "of a kind that is not read"


def promising(n_samples: int) -> bytes:
    """Return a FLAC whose header states so many samples, of 36 bits."""
    content = bytearray(encoded(form="FLAC"))
    content[21] = content[21] & 0xF0 | n_samples >> 32
    content[22:26] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(content)


def audio_cases(folder: Path) -> Iterator[Case]:
    """Build features of a collection of odd files: each is used or a row with its reason."""
    expected = {}
    write_music(folder / "music", n_artists=2, n_songs=1, seconds=SECONDS)
    for name, content, wanted in odd_audio():
        path = folder / "music" / "blues" / name
        try:
            path.write_bytes(content)
        except OSError:  # a file system without such names
            continue
        expected[path] = name, wanted
    music = corpora.load("folder", folder / "data", source=folder / "music")
    built = store.build(music, ["log_mel"], folder / "f.h5", clip_s=1.0, n_jobs=1)
    music = music.without(store.open_store(built).failures["reason"])
    rows = {Path(row.path): row for row in music.tracks.itertuples()}
    for path, (name, wanted) in expected.items():
        row = rows.get(path)
        seen = "dropped in silence" if row is None else row.exclude or "used"
        yield Case(f"audio: {name!r}", wanted, seen)
    yield Case("audio: the number of rows", f"^{len(expected) + 8}$", str(len(music.tracks)))


# -- tables and archives ---------------------------------------------------------------------------

LINES = {
    '{0},rock,"Weird Al" Yankovic,T': "^used",
    '"{0}",rock,A,"Title, with ""marks"""': "^used",
    "{0} ,rock,Unknown Artist,": "^used",
    "sub\\s.wav,jazz,B,T": "^used",
    '"{0},rock,A,T': "a quotation mark is not closed",
    "{0},rock,A": "3 cells instead of 4",
    "{0},,A,T": "no genre",
    ",rock,A,T": "no link and no path",
    "nowhere.wav,rock,A,T": "is no file",
    "ftp://host/a.mp3,rock,A,T": "ftp is not fetched",
    "http://,rock,A,T": "is no address",
    "../../../etc/passwd,rock,A,T": "can't be decoded|is no file",
}


def table_cases(folder: Path) -> Iterator[Case]:
    """Read a list line by line: each is a song or a row with its number and the reason."""
    (folder / "sub").mkdir()
    for place in ("ok.wav", "two.wav", "sub/s.wav"):
        (folder / place).write_bytes(
            encoded(np.random.default_rng(len(place)).normal(0, 0.1, 33075))
        )
    for number, (line, wanted) in enumerate(LINES.items()):
        text = f"url_or_path,genre,artist,title\n{line.format('ok.wav')}\ntwo.wav,pop,C,T\n"
        (folder / "l.csv").write_text(f"{text}sub/s.wav,jazz,C,T2\n")
        table = corpora.load("list", folder / f"d{number}", source=folder / "l.csv").tracks
        row = table[table.index.str.startswith("00002")].iloc[0]
        yield Case(f"table: {line}", wanted, row["exclude"] or "used")


def tar_of(*members: tarfile.TarInfo) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as file:
        for info in members:
            file.addfile(info, io.BytesIO(bytes(info.size)))
    return target.getvalue()


def member(name: str, kind=tarfile.REGTYPE, size=0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info


def zip_of(names: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in names.items():
            file.writestr(name, content)
    return target.getvalue()


def odd_archives() -> Iterator[tuple[str, bytes, str]]:
    whole = zip_of({"a.wav": encoded()})
    yield "a zip", whole, "^accepted"
    yield "a name of 230 bytes", tar_of(member("n" * 226 + ".wav")), "^accepted"
    for name in ("../x", "/x", "a/../../x", "C:/x"):
        yield f"zip: {name}", zip_of({name: b"x"}), "leads out of its folder"
        yield f"tar: {name}", tar_of(member(name)), "leads out of its folder"
    yield "backslashes", zip_of({"a\\b.wav": b"x"}), "backslashes, which some programs write"
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        yield f"tar: type {kind!r}", tar_of(member("x", kind)), "neither a file nor a folder"
    yield "a zip bomb", zip_of({"x": bytes(2**29)}), "allowed are .* times its size"
    yield (
        "a long header",
        member("x", tarfile.GNUTYPE_LONGNAME, 2**33).tobuf(),
        "can't be extracted",
    )
    yield "cut at a member", tar_of(member("a", size=512), member("b"))[:1024], "mark of its end"
    yield "half a zip", whole[: len(whole) // 2], "can't be extracted"
    yield "no archive", b"x" * 999, "can't be extracted"


def archive_cases(folder: Path) -> Iterator[Case]:
    for number, (name, content, wanted) in enumerate(odd_archives()):
        path, target = folder / f"a{number}", folder / f"out{number}"
        path.write_bytes(content)
        seen = refused(archives.extract, path, target, identity=name)
        if seen.startswith("refused") and target.exists():
            seen = f"left behind: {sorted(target.rglob('*'))}"
        yield Case(f"archive: {name}", wanted, seen)
    strays = " ".join(p.name for p in folder.iterdir() if not re.fullmatch(r"(a|out)\d+", p.name))
    yield Case("archive: nothing outside", "^$", strays)


# -- packs -----------------------------------------------------------------------------------------


def pack_cases(folder: Path) -> Iterator[Case]:
    """Flip one bit of a pack at 40 places; link it to what lies elsewhere."""
    source = write_music(folder / "music", n_artists=2, n_songs=1, seconds=SECONDS)
    music = corpora.load("folder", folder / "data", source=source)
    built = store.build(music, ["log_mel"], folder / "f.h5", clip_s=1.0, n_jobs=1)
    whole = folder / "whole.h5"
    sharing.pack(music, store.open_store(built), whole, names=["log_mel"], licence="ours")
    content = whole.read_bytes()
    yield Case("pack: whole", "^accepted", refused(sharing.unpack, whole, folder / "d"))
    known = whole_of(whole)
    for place in sorted(random.Random(0).sample(range(len(content)), 40)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path = folder / f"flip {place}.h5"
        path.write_bytes(changed)
        seen = refused(sharing.verify, path)
        if seen == "accepted" and whole_of(path) == known:
            seen = "accepted: the bit holds nothing of the pack"
        yield Case(f"pack: bit {place}", "^refused|holds nothing", seen)
    linked = folder / "linked.h5"
    linked.write_bytes(content)
    with h5py.File(linked, "r+") as file:
        del file["features/log_mel"]
        file["features/log_mel"] = h5py.ExternalLink(str(whole), "/features/log_mel")
    yield Case("pack: a link", "not values of its own", refused(sharing.verify, linked))


def whole_of(path: Path) -> tuple:
    """Return all that a pack says."""
    contents = sharing.read(path)
    held = sharing.Held(path, digest=contents.digest)
    values = [held[track]("log_mel").tobytes() for track in contents.usable]
    return contents.digest, contents.licence, contents.tracks.to_csv(), values


# -- kills, disks, runs side by side ---------------------------------------------------------------


def project(folder: Path) -> Path:
    options = {"corpus": "folder", "corpus_options": {"source": "music"}, "clip_s": 1.0}
    root = small_project(folder, **options)
    write_music(root / "music", n_artists=3)
    return root


def started(root: Path, command=("run", "small", "--n-jobs", "1"), **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "genrelib", *command]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=root, start_new_session=True, **pipes, **options)


def ended(process: subprocess.Popen) -> str:
    said = process.communicate()[1].strip().splitlines() or [""]
    errors = [line for line in said if line.startswith(("error", "Traceback"))]
    return f"status {process.returncode} {' '.join(errors)}"


def run_cases(folder: Path) -> Iterator[Case]:
    undisturbed = project(folder / "undisturbed")
    yield Case("run: undisturbed", "^status 0", ended(started(undisturbed)))
    known = results(undisturbed, "small")
    moments = random.Random(0)
    killed = project(folder / "killed")
    for number in range(N_KILLS):
        process = started(killed)
        time.sleep(moments.uniform(1, 25))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        yield Case(f"run: kill {number + 1}", "^killed", "killed")
    yield Case("run: after the kills", "^status 0", ended(started(killed)))
    left = [p.name for p in killed.rglob(".*.tmp*") if "data" not in p.parts]
    yield Case("run: left by the kills", r"^\[\]$", str(left))
    same = str(results(killed, "small") == known)
    yield Case("run: the same bytes after kills", "^True$", same)
    full = project(folder / "full")
    process = started(
        full, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9**5, -1))
    )
    yield Case("run: a disk that takes no more", "^status 1 error: ", ended(process))
    yield Case("run: with room again", "^status 0", ended(started(full)))
    same = str(results(full, "small") == known)
    yield Case("run: the same bytes after a full disk", "^True$", same)
    twice = project(folder / "twice")
    processes = [started(twice) for _ in range(2)]
    for process in processes:
        yield Case("run: two at once", "^status 0", ended(process))
    same = str(results(twice, "small") == known)
    yield Case("run: the same bytes by two at once", "^True$", same)


# -- pages -----------------------------------------------------------------------------------------


def page_cases(folder: Path) -> Iterator[Case]:
    """Run studies whose names are payloads, and open every page of them in a browser."""
    if not hostile.browser():
        wanted = ", ".join(hostile.CHROMIUM)
        yield Case("pages: in a browser", "^SKIPPED", f"SKIPPED: none of {wanted} is installed")
    systems = {"systems": ["mel_svm", "resnet18"], "probed": ["mel_svm"], "probed_tracks": 2}
    for corpus in ("folder", "list"):
        root = hostile.study_of_payloads(folder / corpus, corpus, **systems)
        command = ["run", hostile.STUDY, "--n-jobs", "1"]
        yield Case(f"pages: {corpus}: run", "^status 0", ended(started(root, command)))
        for page in sorted((root / "reports" / hostile.STUDY).rglob("*.html")):
            name = f"pages: {corpus}: {page.name}"
            found = hostile.acting(page.read_text("utf-8"))
            yield Case(f"{name}, parsed", r"^\[\]$", str(found))
            if hostile.browser():
                shown = hostile.opened(page, folder / "profile")
                yield Case(f"{name}, opened", r"^\[\]$", str(hostile.acting(shown)))
    if hostile.browser():
        page = folder / "unescaped.html"
        page.write_text(f"<!doctype html><p>{hostile.payloads()[0]}")
        ran = 'id="ran"' in hostile.opened(page, folder / "profile")
        yield Case("pages: what is not escaped does run", "^True$", str(ran))


QUICK = {
    "audio": audio_cases,
    "tables": table_cases,
    "archives": archive_cases,
    "packs": pack_cases,
}
"""Parts that take seconds."""

PARTS = QUICK | {"pages": page_cases, "runs": run_cases}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; by default all")
    names = parser.parse_args().parts or list(PARTS)
    cases = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for case in tqdm(PARTS[name](Path(folder)), desc=name, file=sys.stderr):
                cases.append(case)
                shown = " ".join(case.seen.split())[:90]
                print(f"{'ok ' if case.holds else 'BAD'}  {case.name:45.45}  {shown}", flush=True)
    bad = sum(not case.holds for case in cases)
    skipped = sum(case.seen.startswith("SKIPPED") for case in cases)
    print(f"{len(cases)} cases, {len(cases) - bad} as expected, {skipped} of them SKIPPED")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
