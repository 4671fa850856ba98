"""Robustness: what trained systems answer when a recording is changed and its genre is not.

The test tracks of the fits whose estimators are kept are changed in every way of
:mod:`genrelib.robustness.interventions`, and the system that has not seen the track is asked again
(:func:`answers`). Of the controlled corpus, songs are also recorded anew: covers, live versions,
and the manner of another genre (:func:`rerecorded`). Tables (:func:`by_strength`,
:func:`by_kind`, :func:`swaps`) and sentences (:func:`findings`) follow from these answers.
"""

from .interventions import INTERVENTIONS, Intervention
from .tables import by_kind, by_strength, findings, swaps
from .trials import UNCHANGED, answers, chosen_tracks, rerecorded, strengths, unavailable
