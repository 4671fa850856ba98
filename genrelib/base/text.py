"""Text from outside at each border: marks of Markdown, spreadsheets and terminals are shown.

HTML has its own in pandas, jinja2 and :func:`html.escape`; figures parse no mathematics.
"""

import html
import re

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MARKS = re.compile(
    r"[\\$`*\[\]|#~]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^[-+=]|^\d{1,9}[.)]"
)


def visible(text: str) -> str:
    r"""Return text with what steers a terminal, or turns the direction of what follows, escaped.

    >>> visible("a\x1b[31m")
    'a\\x1b[31m'
    """
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def printable(text: object) -> str:
    """Return text for a terminal: lines of characters that are seen, the others escaped."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(text))


def markdown(text: object) -> str:
    r"""Return text as one line of Markdown that shows it: no mark, HTML, link or mathematics.

    >>> markdown("_a_ <b> $x http://c")
    '\\_a\\_ &lt;b&gt; <span>&#36;</span>x http&#58;//c'
    """
    return _MARKS.sub(_shown, html.escape(" ".join(str(text).split()), quote=False))


def _shown(match: re.Match) -> str:
    first, mark = match[0][:-1], match[0][-1]
    if mark in "\\$":  # alone in an element: what typesets a page looks for pairs in one text
        return f"<span>&#{ord(mark)};</span>"
    return f"{first}&#{ord(mark)};" if mark in ":." else f"{first}\\{mark}"


def guarded(value: object) -> object:
    """Return a table's cell so that no spreadsheet computes it: an apostrophe keeps it text.

    >>> guarded("=1+1"), guarded("a"), guarded(-1.5)
    ("'=1+1", 'a', -1.5)
    """
    return f"'{value}" if _is_formula(value) else value


def unguarded(value: object) -> object:
    """Return what :func:`guarded` was given."""
    return value[1:] if _is_formula(value) and value[0] == "'" else value


def _is_formula(value: object) -> bool:
    return isinstance(value, str) and value.lstrip("'")[:1] in ("=", "+", "-", "@", "\t", "\r")
