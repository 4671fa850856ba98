"""Wording: how numbers, intervals, names and lists read in sentences, the same in every room.

Shares and differences are fractions in the code, percent and points in the sentences.

>>> percent(0.2, 0), points(-0.1594)
('20%', '15.9 points')
>>> estimate(0.77151, 0.7242, 0.8128)
'77.2% [72.4%, 81.3%]'
>>> change(0.1594, 0.0936, 0.2252)
'+15.9 points [+9.4, +22.5]'
>>> listed(["knn", "gmm", "svm"]), are(1), are(2), counted(1, "claim"), counted(2, "claim")
('knn, gmm and svm', '1 is', '2 are', '1 claim', '2 claims')
>>> opening("a network", {}), counted(2, "loss", "losses")
('A network', '2 losses')
"""

from collections.abc import Sequence


def title(name: str, registry: dict) -> str:
    """Return the title of a system or protocol; its name if the registry lacks it."""
    return registry[name].title if name in registry else name


def opening(name: str, registry: dict) -> str:
    """Return the title of a system or protocol to begin a sentence with."""
    said = title(name, registry)
    return said[0].upper() + said[1:]


_FEATURES = {"mfcc": "MFCC", "log_mel": "log-mel", "stack": "stack of 87 features"}


def feature(name: str) -> str:
    """Return a feature's name as people write it."""
    return _FEATURES.get(name, name.replace("_", " "))


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent."""
    return f"{share:.{digits}%}"


def points(difference: float) -> str:
    """Write the size of a difference of shares, without its sign."""
    return f"{100 * abs(difference):.1f} points"


def estimate(share: float, low: float, high: float) -> str:
    """Write a share with its interval."""
    return f"{percent(share)} [{percent(low)}, {percent(high)}]"


def change(difference: float, low: float, high: float) -> str:
    """Write a signed difference of shares with its interval."""
    return f"{100 * difference:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"


def listed(names: Sequence[str]) -> str:
    """Write names as a list in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def counted(n: int, name: str, plural: str = "") -> str:
    """Write a number of things; their plural where it isn't `name` with an "s"."""
    return f"{n} {name if n == 1 else plural or f'{name}s'}"


def are(n: int) -> str:
    """Write a number with its verb."""
    return f"{n} {'is' if n == 1 else 'are'}"
