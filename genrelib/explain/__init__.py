"""Explanations: what a trained system listens to, and whether the explanation can be believed.

Networks are asked by attributions (:class:`Explainer`), which are put to two tests: deletion and
randomised weights. Classical systems are asked by shuffling families of their inputs
(:func:`importance`). Where the causes of a recording are known, they are taken out one by one
(:func:`renditions`, :func:`effects`).
"""

from .attributions import METHODS, Explainer, why_not
from .causes import CHANGES, Renditions, effects, renditions
from .faithfulness import areas, cascade, deletion, findings
from .shuffling import importance, octaves, stack_families, statistics_families
