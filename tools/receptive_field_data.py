"""수용 영역 탐험기의 자료를 모형에서 읽어 적는다.

모형을 고치면 `python tools/receptive_field_data.py`로 다시 적는다.
"""

import json
from pathlib import Path

import torch

from cnn_lectures.comparison import NETWORKS
from cnn_lectures.complexity import layer_costs, longest_path
from cnn_lectures.models import build_model
from cnn_lectures.models.lenet import FEATURE_SPECS
from cnn_lectures.receptive_field import receptive_fields

TARGET = Path(__file__).parents[1] / "book/_static/explorer/receptive_field_data.js"
HEAD = "/* tools/receptive_field_data.py가 적었다. 손으로 고치지 않는다. */\n"
LEFT_OUT = {"VGG-13", "ResNet-101", "ResNet-152", "DenseNet-169", "DenseNet-201", "DenseNet-161"}


def networks():
    """신경망마다 (열쇠, 이름, 만드는 이름, 인자, 이미지의 크기)."""
    for network in NETWORKS:
        entry = (network.name, network.model, network.options, network.image)
        if network.name == "ResNet-50":  # 견주는 표는 논문의 꼴이고, 모형의 기본은 v1.5이다
            yield "resnet50_v1", "ResNet-50 (v1)", *entry[1:]
            yield "resnet50", "ResNet-50 (v1.5)", network.model, {}, network.image
        elif network.name not in LEFT_OUT:
            yield network.model, *entry


def layers(model: str, options: dict, image: tuple[int, int]) -> list[list]:
    """층마다 [이름, 종류, k, s, p, d, 출력 크기, 수용 영역, 누적 스트라이드, 시작]."""
    channels, side = image
    with torch.device("meta"):
        network = build_model(model, **options)
    outputs = {row.name: row.output_size for row in layer_costs(network, (1, channels, side, side))}
    windows = longest_path(network)
    titles = FEATURE_SPECS if model == "lenet5" else [""] * len(windows)
    rows = []
    for window, field, title in zip(windows, receptive_fields(windows), titles, strict=True):
        name = f"{window.name} ({title.upper()})" if title else window.name
        kind = type(network.get_submodule(window.name)).__name__.removesuffix("2d")
        size = (window.kernel_size, window.stride, window.padding, window.dilation)
        place = (outputs[window.name][-1], field.size, field.jump, field.start)
        rows.append([name, kind, *size, *place])
    return rows


def text() -> str:
    """자료 파일의 내용."""
    data = {key: [name, image[1], layers(*rest, image)] for key, name, *rest, image in networks()}
    lines = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("],", "],\n")
    return f"{HEAD}const RECEPTIVE_FIELD_DATA = {lines};\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
