"""What MESS+ and its like learn by."""

from messsim import _core
from messsim.scenario.routing import Router

__all__ = ["predictor_of"]


def predictor_of(options: Router, models: int, features: int) -> _core.Predictor:
    """Logistic regression by SGD, as ``[router.predictor]`` says."""
    said = options.predictor
    return _core.Predictor(
        models,
        features,
        learning_rate=said.learning_rate,
        momentum=said.momentum,
        weight_decay=said.weight_decay,
        clip=said.clip,
    )
