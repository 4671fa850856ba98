"""Studies whose every name is a payload, and what of it acts in a page, a card or a table."""

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path

from helpers.builders import small_project, write_music
from nbconvert.filters import markdown2html

from genrelib.corpora.credits import plain

RAN = "document.documentElement.id='ran'"
FORMS = (
    f"a<img src=x onerror={RAN}>",
    f'"><svg onload="{RAN}">',
    f"[x](javascript:{RAN}) ![y](javascript:{RAN}) <javascript:{RAN}>",
    r"=cmd() $\frac$ $$x$$ \(x\) _x_ *c* **b** `d` ~~e~~ {{7*7}} {% raw %} #",
    f"' autofocus onfocus={RAN} x='",
    f"</script><script>{RAN}</script>",
    "\x1b[31m\x1b]0;title\x07 \u202egnp\u2066 \x9b31m",
    "</td></table></code></pre></style></title><iframe srcdoc='<p>'>",
    f"&lt;img src=x onerror={RAN}&gt; &#60;b&#62; <b onmouseover={RAN}>--> <!-- ]]>",
    "| a | b | 1. c [f]: javascript:g https://h.example <https://h.example> www.h.example",
)
TAGS = re.compile(
    "html|head|meta|link|title|style|script|body|header|main|nav|footer|section|article|aside|"
    "h[1-6]|p|a|b|i|em|strong|small|code|pre|span|div|br|hr|ul|ol|li|dl|dt|dd|table|caption|"
    "thead|tbody|tr|th|td|details|summary|figure|figcaption|img|audio|blockquote|button|input|"
    "label|select|option|svg|g|line|rect|circle|path|text|abbr"
)
ATTRIBUTES = re.compile(
    "lang|charset|name|content|class|id|href|src|width|height|loading|alt|controls|preload|open|"
    "colspan|rowspan|style|start|align|valign|halign|border|title|scope|(aria|data)-[a-z]+|role|"
    "tabindex|hidden|type|rel|preserveaspectratio|for|value|placeholder|"
    "download|viewbox|x|y|x[12]|y[12]|cx|cy|r|rx|d"
)
PLACES = re.compile(
    r"(#|(\.\./){0,2}(figures|tables|notebooks|systems|audio|assets)/[\w./-]+(#[\w.-]*)?$|"
    r"(\.\./){0,2}\w+\.(html|md)(#[\w.-]*)?$|[\w-]+\.ipynb$|data:image/png;base64,|data:,$|"
    r"https://(arxiv|doi)\.org/[\w./-]+$)"
)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def payloads(slash: str = "/") -> list[str]:
    """Return the payloads, each with a mark at its end; names of files bear no slash."""
    return [f"{form.replace('/', slash)} mark{n:02d}" for n, form in enumerate(FORMS)]


STUDY = payloads("|")[0].replace("mark00", "$x$ _y_ {{7*7}} mark99")


def study_of_payloads(folder: Path, corpus: str, **own) -> Path:
    """Return a project whose one study, :data:`STUDY`, has payloads for all its names."""
    options = {"folder": {"source": "music"}, "list": {"source": "music/list.csv", "pause_s": 0}}
    asked = {"corpus": corpus, "corpus_options": options[corpus], "clip_s": 1.0, **own}
    root = small_project(folder, title=payloads()[5], about=payloads()[3], **asked)
    (root / "studies" / "small.yaml").rename(root / "studies" / f"{STUDY}.yaml")
    in_files, texts = payloads("|"), cycle(payloads())
    music = write_music(root / "plain", n_artists=3, n_songs=1, genres="abcd")
    rows = []
    for path in sorted(music.rglob("*.wav")):
        genre, artist = in_files["abcd".index(path.parts[-3])], next(texts).replace("/", "|")
        place = Path(genre) / f"{artist} {len(rows)}" / f"{in_files[len(rows) % 10]}.wav"
        (root / "music" / place.parent).mkdir(parents=True, exist_ok=True)
        path.rename(root / "music" / place)
        rows.append([str(place), next(texts), next(texts)])
    (root / "music" / in_files[0] / f"{in_files[7]}.wav").write_text("no audio")
    (root / "music" / f"{in_files[1]}.txt").write_text("no audio")
    if corpus == "folder":
        lines = [["file", "artist", "title"], *rows]
        target = root / "music" / "tracks.csv"
    else:
        genres = payloads()[1:9:2]
        lines = [["url_or_path", "genre", "artist", "title"]]
        lines += [[row[0], genres[n // 3], f"{row[1]} {n}", row[2]] for n, row in enumerate(rows)]
        lines += [[f"{link}{genres[2]}", *genres[:3]] for link in ("javascript:", "ftp://")]
        target = root / "music" / "list.csv"
    with open(target, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    return root


class _Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


def acting(page: str) -> list[str]:
    """List what of payloads is no text in a page: elements, attributes, links, changed texts."""
    parsed = _Page(page)
    found = [f"<{tag}>" for tag, _ in parsed.elements if not TAGS.fullmatch(tag)]
    texts = [parsed.text]
    for tag, attributes in parsed.elements:
        for name, value in attributes:
            if not ATTRIBUTES.fullmatch(name) or (tag == "html" and name == "id"):
                found.append(f"<{tag} {name}={value}>")
            if name in ("href", "src") and not PLACES.match(value):
                found.append(f"<{tag} {name}={value}>")
            if name == "id" and not re.fullmatch(r"[^\s<>\"]+", value):
                found.append(f"<{tag} id={value}>")
            if name not in ("id", "href"):  # those are made of letters and digits
                texts.append(value or "")
        if tag == "script" and "src" not in dict(attributes):
            found.append("<script>")
    return found + [changed for text in texts for changed in _changed(text)]


def _changed(text: str) -> Iterator[str]:
    """Yield what stands before a mark and is not its payload, as it is or as Python writes it."""
    known = {}
    for payload in [*payloads(), *payloads("|"), STUDY]:
        shown = plain(payload)
        forms = known.setdefault(shown[-6:], set())
        forms |= {shown, repr(shown)[1:-1], json.dumps(shown)[1:-1], shown.replace('"', r"\"")}
    for mark in re.finditer(r"(?<![a-z])mark\d\d", text):  # else a key of letters and digits
        if not any(text.endswith(form, 0, mark.end()) for form in known[mark[0]]):
            yield f"text: {text[max(0, mark.start() - 90) : mark.end()]!r}"


def marks(text: str) -> set[str]:
    return set(re.findall(r"mark\d\d", text))


def markdown(text: str) -> str:
    """Return a card as a renderer shows it that takes HTML in Markdown for HTML."""
    return markdown2html(text)


def formulas(path: Path) -> list[str]:
    """List the cells of a CSV that a spreadsheet would compute."""
    with open(path, encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    return [c for c in cells if re.match(r"[=+@\t\r]|-(?![\d.]+(e[-+]?\d+)?$)", c)]


def browser() -> str | None:
    """Return the command of a Chromium, if there is one."""
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)


def opened(page: Path, profile: Path) -> str:
    """Open a page in a browser and return what has become of it, as HTML."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update --virtual-time-budget=2000"
    )
    command = [browser(), *flags.split(), f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout
