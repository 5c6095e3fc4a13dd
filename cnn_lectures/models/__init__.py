"""논문마다 한 파일씩의 모형과, 이름으로 모형을 만드는 표."""

from collections.abc import Callable

from torch import nn

from cnn_lectures.models import alexnet, densenet, googlenet, nin, resnet, vgg
from cnn_lectures.models._common import choice
from cnn_lectures.models.lenet import LeNet5, LeNet5Original, bn_lenet

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet5": LeNet5,
    "lenet5_original": LeNet5Original,
    "bn_lenet": bn_lenet,
    "alexnet": alexnet.AlexNet,
    "alexnet_one_tower": alexnet.alexnet_one_tower,
    "alexnet_small": alexnet.alexnet_small,
    "vgg11": vgg.vgg11,
    "vgg11_bn": vgg.vgg11_bn,
    "vgg11_lrn": vgg.vgg11_lrn,
    "vgg13": vgg.vgg13,
    "vgg13_bn": vgg.vgg13_bn,
    "vgg16": vgg.vgg16,
    "vgg16_1x1": vgg.vgg16_1x1,
    "vgg16_bn": vgg.vgg16_bn,
    "vgg19": vgg.vgg19,
    "vgg19_bn": vgg.vgg19_bn,
    "vgg_small": vgg.vgg_small,
    "nin": nin.nin,
    "nin_cifar": nin.nin_cifar,
    "nin_small": nin.nin_small,
    "googlenet": googlenet.googlenet,
    "googlenet_bn": googlenet.googlenet_bn,
    "googlenet_small": googlenet.googlenet_small,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnet152": resnet.resnet152,
    "cifar_resnet": resnet.cifar_resnet,
    "resnet_small": resnet.resnet_small,
    "densenet121": densenet.densenet121,
    "densenet161": densenet.densenet161,
    "densenet169": densenet.densenet169,
    "densenet201": densenet.densenet201,
    "cifar_densenet": densenet.cifar_densenet,
    "densenet_small": densenet.densenet_small,
}


def build_model(name: str, **options) -> nn.Module:
    """이름으로 모형을 만든다.

    Parameters
    ----------
    name : `MODELS`의 열쇠
    **options : 그 모형의 키워드 인자

    Raises
    ------
    ValueError
        `MODELS`에 없는 이름일 때. 비슷한 이름을 알려 준다.
    """
    return MODELS[choice("name", name, MODELS)](**options)
