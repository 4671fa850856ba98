"""Explanations: what a trained system listens to, and whether the explanation can be believed.

Networks are asked by attributions (:class:`Explainer`), which are put to two tests: deletion and
randomised weights. Classical systems are asked by shuffling families of their inputs
(:func:`importance`). Where the causes of a recording are known, they are taken out one by one
(:func:`renditions`, :func:`effects`) and looked for in the attributions (:func:`located`).
"""

from .attributions import METHODS, Explainer, why_not
from .causes import CHANGES, Renditions, effects, renditions
from .faithfulness import areas, cascade, deletion
from .findings import findings
from .located import SOURCES, attention, dominant, located, stems
from .shuffling import importance, octaves, stack_families, statistics_families

__all__ = [
    "CHANGES",
    "METHODS",
    "SOURCES",
    "Explainer",
    "Renditions",
    "areas",
    "attention",
    "cascade",
    "deletion",
    "dominant",
    "effects",
    "findings",
    "importance",
    "located",
    "octaves",
    "renditions",
    "stack_families",
    "statistics_families",
    "stems",
    "why_not",
]
