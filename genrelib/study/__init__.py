"""A study: what a notebook sees of it, its parameters, and the runner of its notebooks."""

from .chapters import Chapter, Fits, Study, code, listed
