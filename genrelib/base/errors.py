"""The one exception root of the package."""


class GenrelibError(ValueError):
    """Something the user can mend: the message holds the value seen, what is allowed, what to do.

    Every error that ``genrelib`` raises on purpose is one of these, so that a caller can tell a
    mended input from a bug.
    """


def unknown(kind: str, name: object, known) -> GenrelibError:
    """Make the error for a name that is not in a registry.

    Parameters
    ----------
    kind : str
        What is looked up, in words: ``"corpus"``, ``"study"``.
    name : object
        The value seen.
    known : iterable of str
        The allowed names.

    Returns
    -------
    GenrelibError
        To be raised by the caller.

    Examples
    --------
    >>> str(unknown("genre", "polka", ["blues", "rock"]))
    "unknown genre 'polka'; known: blues, rock. Check the spelling."
    """
    listed = ", ".join(sorted(map(str, known))) or "none"
    return GenrelibError(f"unknown {kind} {name!r}; known: {listed}. Check the spelling.")
