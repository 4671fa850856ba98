"""Systems of notebooks 05 to 07: recurrent, residual and attentive networks."""

import torch

from ..networks import CnnLstm, ResNet18, VisionTransformer
from ..training import GenreNet, NetworkPipeline
from ..transformers import BandScaler, Checked
from .classical import SOURCE_004
from .convolutional import SOURCE_002
from .row import System, image


def _lstm_size(recipe):
    """All coefficients; four frames where a picture has one."""
    return None, 4 * recipe.image_size[1]


def _cnn_lstm(recipe):
    net = GenreNet(
        CnnLstm,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        max_epochs=recipe.epochs(100),
        lr=0.00025,
        batch_size=8,
    )
    return NetworkPipeline([("scale", BandScaler()), ("net", net)])


def _resnet18(recipe):
    net = GenreNet(
        ResNet18,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        module__image_size=recipe.image_size,
        max_epochs=recipe.epochs(30),
        lr=1e-3,
        batch_size=16,
        schedule="cosine",
        mixed_precision=True,
    )
    return NetworkPipeline([("check", Checked()), ("net", net)])


def _vit(recipe):
    net = GenreNet(
        VisionTransformer,
        n_classes=recipe.n_classes,
        seed=recipe.seed,
        module__augment=True,
        max_epochs=recipe.epochs(50),
        optimizer=torch.optim.AdamW,
        lr=5e-4,
        batch_size=16,
        schedule="cosine",
    )
    return NetworkPipeline([("check", Checked()), ("net", net)])


ROWS = (
    System(
        name="cnn_lstm",
        title="CNN and LSTM on MFCC",
        notebook="05",
        feature="mfcc",
        build=_cnn_lstm,
        claim=63.0,
        chosen="20 MFCC; kernels of 3, pooling by 2 after each convolution, dropout 0.15 and 0.3, "
        "Adam, batches of 8; frames averaged to four times the picture's width; learning rate "
        "0.00025 and 100 epochs as said, the best on validation.",
        size=_lstm_size,
        validates=True,
        **SOURCE_002,
    ),
    System(
        name="resnet18",
        title="ResNet of 18 layers",
        notebook="06",
        feature="log_mel",
        build=_resnet18,
        claim=94.2,
        chosen="He et al. (2016), dropout 0.5 before the last layer, log-mel pictures in the "
        "colours of magma at the study's image size (the source's is 418 x 627); rolled in time, "
        "masked, louder and softer, colours changed; Adam, learning rate 0.001 falling by a "
        "cosine, batches of 16, at most 30 epochs, the best on validation.",
        size=image,
        validates=True,
        **SOURCE_004,
    ),
    System(
        name="vit",
        title="vision transformer",
        notebook="07",
        feature="log_mel",
        build=_vit,
        claim=None,
        chosen="Small: patches of 8 x 8, four layers of four heads; AdamW, learning rate 0.0005 "
        "falling by a cosine, batches of 16, at most 50 epochs, the best on validation; augmented "
        "as the residual network, but for colours.",
        size=image,
        validates=True,
        **{**SOURCE_004, "claim_protocol": "proposed as future work"},
    ),
)
