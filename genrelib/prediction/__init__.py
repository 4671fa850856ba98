"""Prediction: what is this song, by a model of a whole corpus that can say "I don't know".

:mod:`.training` fits a system on every track of a corpus and measures, on artists that it has not
met, how often it is right and how far from the training tracks music lies. :mod:`.models` is the
file that holds it all, :mod:`.listening` reads songs window by window, :mod:`.novelty` finds what
is unlike the training music, :mod:`.songs` answers and :mod:`.pages` shows.
"""
