"""A small GTZAN as its mirrors would have it."""

import hashlib
import io
import json
import tarfile
import zipfile

import numpy as np
import soundfile

from genrelib.corpora import fetching, gtzan
from genrelib.corpora import gtzan as gtzan_index
from genrelib.corpora.gtzan import GENRES

PER_GENRE = 2


TRACKS = [f"{genre}.{number:05d}" for genre in GENRES for number in range(PER_GENRE)]


MINI = TRACKS[::PER_GENRE]


ARTIST = {track: f"Artist {number // 2}" for number, track in enumerate(TRACKS)}


TWINS = ("rock.00000", "metal.00001")


def noise(track):
    seed = TRACKS.index("rock.00000" if track in TWINS else track)
    return (np.random.default_rng(seed).uniform(-0.5, 0.5, 24000) * 2**15).astype(np.int16)


def digest(algorithm, content):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class Fake:
    """A mirror that holds a small GTZAN, wrong in nothing."""

    def __init__(self, folder, monkeypatch):
        self.mirror = folder / "mirror"
        self.genres = folder / "source" / "genres"
        for track in TRACKS:
            path = self.genres / track.partition(".")[0] / f"{track}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, noise(track), 22050)
        self.data = folder / "data"
        lines = [f"{t}.wav ::: {ARTIST[t]} ::: Títle {n}  " for n, t in enumerate(TRACKS)]
        index = "\r\n".join(["## remark", "", *lines, ""]).encode()
        lists = {
            part: "\r\n".join(f"{t[:-6]}/{t}.wav " for t in TRACKS[start::4]).encode()
            for start, part in enumerate(gtzan_index.FILTERED)
        }
        monkeypatch.setenv(fetching.MIRROR, str(self.mirror))
        monkeypatch.setattr(gtzan_index, "ARTISTS", self.publish("st.org/index.txt", index))
        filtered = {p: self.publish(f"st.org/{p}.txt", text) for p, text in lists.items()}
        monkeypatch.setattr(gtzan_index, "FILTERED", filtered)
        indexes = {"gtzan": self.index(TRACKS), "gtzan_mini": self.index(MINI)}
        monkeypatch.setattr(gtzan_index, "INDEXES", indexes)
        monkeypatch.setattr(gtzan, "DEAD", {"gtzan": (), "gtzan_mini": ()})
        archives = {"gtzan": (self.tar(),), "gtzan_mini": (self.zip(),)}
        monkeypatch.setattr(gtzan, "ARCHIVES", archives)

    def publish(self, place, content, algorithm="sha256"):
        path = self.mirror / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"https://{place}?download=1", digest(algorithm, content)

    def audio(self, track):
        return self.genres / track.partition(".")[0] / f"{track}.wav"

    def index(self, tracks):
        md5 = {t: hashlib.md5(self.audio(t).read_bytes()).hexdigest() for t in tracks}
        listed = {t: {"audio": [f"x/{t}.wav", md5[t]], "beats": ["b", "0"]} for t in tracks}
        content = json.dumps({"version": "1", "tracks": listed}).encode()
        return self.publish(f"zenodo.org/{len(tracks)}.json", content, "md5")

    def tar(self):
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as archive:
            for track in TRACKS:
                stray = tarfile.TarInfo(f"genres/{track[:-6]}/._{track}.wav")
                stray.size = 211
                archive.addfile(stray, io.BytesIO(b"x" * 211))
                archive.add(self.audio(track), f"genres/{track[:-6]}/{track}.wav")
        return self.publish("hf.co/genres.tar.gz", target.getvalue())

    def zip(self):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("mini-main/genres/bl.mf", "x")
            archive.writestr("mini-main/genres/.DS_Store", "x")
            for track in MINI:
                archive.write(self.audio(track), f"mini-main/genres/{track[:-6]}/{track}.wav")
        return self.publish("github.com/main.zip", target.getvalue(), "md5")
