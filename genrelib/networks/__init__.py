"""Networks in plain torch: modules only, no training.

Every module takes ``input_shape``, the shape of one example without its batch axis, and
``n_classes``, and returns logits of shape ``(batch, n_classes)``. Each keeps what its source says
and names in its docstring what the source leaves unsaid and what was chosen instead.
"""

from .colour import ColourMap
from .convolutional import Cnn2d, FeatureCnn, SegmentCnn
from .perceptron import Perceptron
from .recurrent import CnnLstm
from .residual import ResNet18
from .stacked import StackCnn, VolumeCnn
from .summary import count_multiply_adds, count_parameters, layers
from .transformer import VisionTransformer

__all__ = [
    "Cnn2d",
    "CnnLstm",
    "ColourMap",
    "FeatureCnn",
    "Perceptron",
    "ResNet18",
    "SegmentCnn",
    "StackCnn",
    "VisionTransformer",
    "VolumeCnn",
    "count_multiply_adds",
    "count_parameters",
    "layers",
]
