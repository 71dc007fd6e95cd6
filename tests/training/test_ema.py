import torch

from faceml.config.model import ModelConfig
from faceml.models.multitask import build_multitask_model
from faceml.training.ema import AveragedWeights


def test_averaged_weights__follow_the_closed_form_batch_norms_included() -> None:
    torch.manual_seed(0)
    model, decay = build_multitask_model(ModelConfig(), 5), 0.9
    average = AveragedWeights(model, decay)
    names = ("expression_head.weight", "backbone.bn1.running_mean")
    expected: dict[str, torch.Tensor] = {}
    for step in range(4):
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor))
        average.update()
        for name in names:
            now = model.state_dict()[name].clone()
            expected[name] = now if step == 0 else decay * expected[name] + (1 - decay) * now
    for name in names:
        torch.testing.assert_close(average.model.state_dict()[name], expected[name])


def test_averaged_weights__go_on_from_a_saved_state() -> None:
    torch.manual_seed(0)
    model = build_multitask_model(ModelConfig(), 5)
    one = AveragedWeights(model, 0.5)
    one.update()
    other = AveragedWeights(model, 0.5)
    other.load_state_dict(one.state_dict())
    for parameter in model.parameters():
        parameter.data.add_(1.0)
    other.update()
    halfway = model.expression_head.state_dict()["weight"] - 0.5
    torch.testing.assert_close(other.model.expression_head.state_dict()["weight"], halfway)
