"""An exponential moving average of a network's weights, which is evaluated and kept in its stead."""

from typing import Generic, cast

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from faceml.models import ModelT


class AveragedWeights(Generic[ModelT]):
    """Follow a network: average ← decay · average + (1 − decay) · network, batch norm's statistics included.

    Args:
        model: The network that learns.
        decay: Of the average, in [0, 1): it looks back over about 1 / (1 − decay) steps.
    """

    def __init__(self, model: ModelT, decay: float) -> None:
        self._model = model
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]

    @property
    def model(self) -> ModelT:
        """The network with averaged weights."""
        return cast(ModelT, self._average.module)

    def update(self) -> None:
        """Take one step after the network; the first one copies it."""
        self._average.update_parameters(self._model)

    def state_dict(self) -> dict[str, object]:
        """Return what `load_state_dict` takes."""
        return dict(self._average.state_dict())

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from a saved average."""
        self._average.load_state_dict(state)
