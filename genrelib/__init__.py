"""genrelib: the shared module of a reproducible study of music genre recognition.

Data flows one way, one room per idea::

    corpora -> features -> (protocols x systems) -> experiments -> inference -> report
"""

from importlib.metadata import version

__version__ = version("genrelib")
