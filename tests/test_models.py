"""모형의 표와, torchvision과 이름과 모양이 같음. 값과 기울기는 모형마다의 테스트가 견준다."""

import copy
import functools
import inspect

import pytest
import torch
import torchvision
from torch import nn

from cnn_lectures.checkpoint import PUBLISHED
from cnn_lectures.complexity import count_parameters, multiply_adds
from cnn_lectures.models import MODELS, build_model

SMALL = [name for name in MODELS if name.endswith("_small")]
LENETS = ("lenet5", "lenet5_original", "bn_lenet")
MODERN = [name for name in MODELS if name not in LENETS]
# 만드는 길이 같은 형제가 있는 큰 모형은 뺀다
DIFFERENT = sorted(
    set(MODERN) - {"resnet101", "resnet152"} - {f"densenet{n}" for n in (161, 169, 201)}
)


@functools.cache
def shape_only(name):
    """값이 없는, 추론 모드의 모형. 테스트가 함께 쓰므로 바꾸지 않는다."""
    with torch.device("meta"):
        return build_model(name).eval()


@pytest.mark.parametrize("name", PUBLISHED)
def test_state_dict_has_the_names_and_shapes_of_torchvision(name):
    theirs, options = PUBLISHED[name]
    extra = {"init_weights": False} if theirs == "googlenet" else {}
    with torch.device("meta"):
        ours = build_model(name, **options) if options else shape_only(name)
        theirs = getattr(torchvision.models, theirs)(weights=None, **options | extra)
    shapes = [{k: tuple(v.shape) for k, v in m.state_dict().items()} for m in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_gives_logits_and_keeps_the_batch(name):
    model = shape_only(name)
    channels = getattr(model, "in_channels", 1)
    side = 28 if name == "bn_lenet" else max(getattr(model, "minimum_size", 32), 32)
    with torch.no_grad():
        logits = model(torch.empty(5, channels, side, side, device="meta"))
    assert logits.shape == (5, 1000 if channels == 3 and "cifar" not in name else 10)


@pytest.mark.parametrize("name", SMALL)
def test_small_models_are_small_and_every_parameter_gets_a_gradient(name):
    assert count_parameters(shape_only(name)) < 500_000
    assert multiply_adds(shape_only(name), (1, 1, 32, 32)) < 20_000_000
    torch.manual_seed(0)
    model = build_model(name)
    loss = nn.functional.cross_entropy(model(torch.rand(4, 1, 32, 32)), torch.arange(4))
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


def test_every_family_has_a_small_model():
    families = {"alexnet", "vgg", "nin", "googlenet", "resnet", "densenet"}
    assert {name.removesuffix("_small") for name in SMALL} == families


@pytest.mark.parametrize("name", DIFFERENT)
def test_options_reach_the_model(name):
    with torch.device("meta"):
        shapes = [p.shape for p in build_model(name, num_classes=3, in_channels=2).parameters()]
    assert shapes[0][1] == 2
    assert shapes[-1] == (3,)
    with pytest.raises(TypeError, match="colour"):
        build_model(name, colour=True)
    kinds = [parameter.kind for parameter in inspect.signature(MODELS[name]).parameters.values()]
    assert inspect.Parameter.VAR_POSITIONAL not in kinds


@pytest.mark.parametrize("name", MODERN)
@pytest.mark.parametrize("option", ["num_classes", "in_channels"])
def test_sizes_are_positive_integers(name, option):
    with torch.device("meta"):
        with pytest.raises(ValueError, match=rf"`{option}`: 1 이상의 정수.*받은 값: 0\)"):
            build_model(name, **{option: 0})
        with pytest.raises(TypeError, match=rf"`{option}`: 1 이상의 정수.*받은 값: 2\.0\)"):
            build_model(name, **{option: 2.0})


@pytest.mark.parametrize("name", MODERN)
def test_wrong_images(name):
    model = shape_only(name)
    channels, side = model.in_channels, max(getattr(model, "minimum_size", 1), 32)
    with torch.device("meta"):
        with pytest.raises(ValueError, match=rf"`images`: .*\(N, {channels}, H, W\)인 배치"):
            model(torch.empty(channels, side, side))
        with pytest.raises(ValueError, match=rf"`images`: .*\(N, {channels}, H, W\)인 배치"):
            model(torch.empty(2, channels + 1, side, side))
        with pytest.raises(TypeError, match=r"`images`: 실수형이어야 합니다 .*torch\.uint8"):
            model(torch.empty(2, channels, side, side, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("name", "minimum"),
    [
        ("alexnet", 63),
        ("alexnet_one_tower", 63),
        ("alexnet_small", 15),
        ("vgg11", 32),
        ("vgg16_1x1", 32),
        ("vgg_small", 8),
        ("nin", 67),
        ("nin_cifar", 1),
        ("googlenet", 31),
        ("googlenet_bn", 15),
        ("densenet121", 29),
        ("cifar_densenet", 4),
    ],
)
def test_minimum_size_is_exact(name, minimum):
    model = copy.copy(shape_only(name))
    with torch.device("meta"):
        assert model.minimum_size == minimum
        model(torch.empty(1, model.in_channels, minimum, minimum))
        if minimum == 1:
            return
        too_small = torch.empty(1, model.in_channels, minimum, minimum - 1)
        with pytest.raises(ValueError, match=rf"`images`: 세로와 가로가 {minimum} 이상이어야"):
            model(too_small)
        model.minimum_size = 1  # 검사를 끄면 정말로 계산할 수 없다
        with pytest.raises(RuntimeError, match="size"):
            model(too_small)


def test_models_can_be_copied_and_pickled(tmp_path):
    model = build_model("densenet_small", memory_efficient=True).eval()
    images = torch.randn(2, 1, 32, 32)
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    for other in (copy.deepcopy(model), loaded):
        torch.testing.assert_close(other(images), model(images), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet_50", "resnet50"), ("VGG16", "vgg16"), ("alex", "alexnet"), (3, "lenet5")],
)
def test_unknown_name(name, near):
    with pytest.raises(ValueError, match=rf"`name`: .*{near}.* 가운데 하나여야 합니다 \(받은 값"):
        build_model(name)
