"""The one exception root of the package."""


class GenrelibError(ValueError):
    """An error the user can correct; the root of all that ``genrelib`` raises on purpose.

    The message holds the value seen, what is allowed, and what to do.
    """


def unknown(kind: str, name: object, known) -> GenrelibError:
    """Return the error for a name that is none of the known ones, of a kind such as ``"study"``.

    Examples
    --------
    >>> str(unknown("genre", "polka", ["blues", "rock"]))
    "unknown genre 'polka'; known: blues, rock. Check the spelling."
    """
    listed = ", ".join(sorted(map(str, known))) or "none"
    return GenrelibError(f"unknown {kind} {name!r}; known: {listed}. Check the spelling.")
