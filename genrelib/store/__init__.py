"""Features on disk: one HDF5 file per corpus and configuration, one chunk per track.

:func:`build` makes or extends a store, :class:`Store` reads it. A pack is a store to pass on: with
its tracks table, its licence and digests.
"""

from .building import build
from .file import DTYPE, Store, open_store, stored
from .packs import FOLDER, PACKED, Pack, described
