"""torchvision의 같은 모형과 출력, 기울기, 버퍼를 견준다."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def randomize(model: nn.Module) -> None:
    """`meta` 장치의 모형을 CPU로 옮기고 무작위로 채운다.

    배치 정규화의 처음 값(1과 0)은 뒤바뀌어도 드러나지 않으므로 흩뜨린다.
    """
    model.to_empty(device="cpu")
    for name, tensor in model.state_dict().items():
        if tensor.dim() > 1:
            nn.init.kaiming_normal_(tensor)
        elif tensor.dim() == 1 and (name.endswith("running_var") or name.endswith("weight")):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif tensor.dim() == 1:
            nn.init.normal_(tensor, std=0.1)
        else:
            tensor.zero_()  # num_batches_tracked


def compare(
    ours: nn.Module,
    theirs: nn.Module,
    images: Tensor,
    *,
    forward: Callable[[nn.Module, Tensor], Tensor] = lambda model, images: model(images),
) -> None:
    """같은 가중치에서 추론과 학습의 출력, 모든 기울기, 학습 뒤의 버퍼가 같은지 확인한다."""
    torch.manual_seed(0)
    randomize(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(forward(ours.eval(), images), forward(theirs.eval(), images))

    outputs = []
    for model in (ours.train(), theirs.train()):
        torch.manual_seed(1)  # 드롭아웃이 같은 유닛을 지우게 한다
        outputs.append(forward(model, images))
        outputs[-1].square().mean().backward()
    torch.testing.assert_close(*outputs)
    twins = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.grad.any(), name
        torch.testing.assert_close(
            parameter.grad, twins[name].grad, msg=lambda m, n=name: f"{n}: {m}"
        )
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(
            tensor, theirs.state_dict()[name], msg=lambda m, n=name: f"{n}: {m}"
        )
