"""수용 영역 탐험기: 자료가 모형과 같은지, 그린 영역이 기울기로 잰 것과 같은지."""

import functools

import pytest
import torch
from torch import nn

from cnn_lectures.complexity import longest_path
from cnn_lectures.models import build_model
from cnn_lectures.models.resnet import BasicBlock, BottleneckV1, ResNet
from cnn_lectures.receptive_field import measured_span
from tools import receptive_field_data

LENET, VGG, RESNET = (f"book/{name}.html" for name in ("02_lenet", "07_vgg", "11_resnet"))
PLACE = '[data-explorer="receptive_field"]'
OPTIONS = {
    "resnet50_v1": ("resnet50", {"block": BottleneckV1}),
    "alexnet": ("alexnet", {"groups": 2}),
}


@pytest.fixture
def explorer(open_page):
    """쪽을 열고 (쪽, 탐험기)를 돌려주는 함수."""

    def open_(name=LENET, **options):
        page = open_page(name, **options)
        place = page.locator(PLACE)
        place.locator(".rf-stage").wait_for()
        return page, place

    return open_


def choose(place, network: str | None = None, layer: int | None = None) -> None:
    for label, value in (("신경망", network), ("층", layer)):
        if value is not None:
            place.get_by_label(label, exact=True).select_option(str(value))


def status(place) -> str:
    return place.locator("[aria-live]").inner_text()


def javascript_field(page, network: str, layer: int, index: int) -> range:
    """JavaScript가 셈한, 이미지 안의 범위."""
    start, stop = page.evaluate(
        """([network, layer, index]) => {
            const { networks, visible } = ReceptiveFieldExplorer;
            return visible(networks[network], layer, index);
        }""",
        [network, layer, index],
    )
    return range(start, stop)


def indices(output: int) -> set[int]:
    return {0, 1 % output, output // 2, output - 1}


@functools.cache
def windows(network: str):
    name, options = OPTIONS.get(network, (network, {}))
    with torch.device("meta"):
        return longest_path(build_model(name, **options))


def test_data_is_what_the_package_says():
    """다르면 `python tools/receptive_field_data.py`로 다시 적는다."""
    stored = receptive_field_data.TARGET.read_bytes()
    assert stored == receptive_field_data.text().encode()
    assert len(stored) < 40_000


def test_networks_of_the_course(explorer):
    page, _ = explorer()
    sizes = page.evaluate(
        """Object.values(ReceptiveFieldExplorer.networks).map(
            ({ label, layers }) => [label, layers.at(-1).size])"""
    )
    assert dict(sizes) == {
        "LeNet-5": 32,
        "AlexNet": 195,
        "NiN": 195,
        "VGG-11": 150,
        "VGG-16": 212,
        "VGG-19": 268,
        "GoogLeNet": 715,
        "ResNet-18": 435,
        "ResNet-34": 899,
        "ResNet-50 (v1)": 483,
        "ResNet-50 (v1.5)": 427,
        "DenseNet-121": 2071,
    }


@pytest.mark.parametrize("network", ["lenet5", "alexnet", "nin", "vgg16", "resnet50_v1"])
def test_fields_equal_the_gradient(explorer, network):
    page, _ = explorer()
    input_, outputs = page.evaluate(
        """(network) => {
            const { input, layers } = ReceptiveFieldExplorer.networks[network];
            return [input, layers.map(({ output }) => output)];
        }""",
        network,
    )
    chain = windows(network)
    assert len(outputs) == len(chain)
    for layer in {0, len(chain) // 3, 2 * len(chain) // 3, len(chain) - 1}:
        for index in indices(outputs[layer]):
            measured = measured_span(chain[: layer + 1], size=input_, index=index)
            assert javascript_field(page, network, layer, index) == measured


def test_fields_equal_the_gradient_through_residual_blocks(explorer):
    """지름길까지 있는 ResNet-18. 채널만 줄이고, 가중치는 양수로, 풀링은 평균으로 바꾼다."""
    page, _ = explorer()
    model = ResNet(BasicBlock, (2, 2, 2, 2), channels=(1, 1, 1, 1), in_channels=1).double().eval()
    model.maxpool = nn.AvgPool2d(3, 2, 1)
    outputs = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.kernel_size[0] ** 2)
            layer.register_forward_hook(lambda _, __, y, name=name: outputs.update({name: y}))
    images = torch.ones(1, 1, 224, 224, dtype=torch.float64, requires_grad=True)
    model(images)
    for layer, window in enumerate(windows("resnet18")):
        if window.name not in ("conv1", "layer1.1.conv2", "layer2.0.conv1", "layer4.0.conv2"):
            continue
        output = outputs[window.name]
        for index in indices(output.shape[-1]):
            (gradient,) = torch.autograd.grad(output[0, 0, index, index], images, retain_graph=True)
            seen = gradient[0, 0].any(dim=0).nonzero().flatten()
            measured = range(int(seen.min()), int(seen.max()) + 1)
            assert javascript_field(page, "resnet18", layer, index) == measured


def test_recurrence_gives_the_stored_numbers(explorer):
    page, _ = explorer()
    results = page.evaluate(
        """() => {
            const { networks, recurrence } = ReceptiveFieldExplorer;
            return Object.values(networks).flatMap(({ layers }) =>
                layers.map((_, i) => Object.values(recurrence(layers, i))));
        }"""
    )
    assert len(results) > 300
    for equations in results:
        for text, value in equations:
            assert eval(text.replace("−", "-").replace("·", "*")) == value


def test_every_layer_of_every_network_is_drawn(explorer):
    page, _ = explorer()
    problems = page.evaluate(
        """(place) => {
            const [networks, layers] = document.querySelectorAll(`${place} select`), problems = [];
            const sliders = document.querySelectorAll(`${place} input`);
            const pick = (control, type, value) => {
                control.value = value;
                control.dispatchEvent(new Event(type));
            };
            const isRight = ({ name, size, output }, input) => {
                const explorer = document.querySelector(place);
                const boxes = [...explorer.querySelectorAll(".rf-stage rect")];
                const inside = boxes.every((box) => ["x", "y"].every((edge) => {
                    const start = Number(box.getAttribute(edge));
                    const length = Number(box.getAttribute(edge === "x" ? "width" : "height"));
                    return start >= 0 && length > 0 && start + length <= 420;
                }));
                const title = explorer.querySelector(".rf-status").textContent;
                const warned = explorer.textContent.includes("입력보다 큽니다");
                return inside && boxes.length === (output === 1 ? 3 : 5)
                    && !/NaN|undefined|Infinity|null/.test(explorer.innerHTML)
                    && title.startsWith(`${name}: 수용 영역 ${size}×${size}, `)
                    && warned === (size > input);
            };
            for (const { value: key } of networks.options) {
                pick(networks, "change", key);
                const { layers: all, input } = ReceptiveFieldExplorer.networks[key];
                for (const [i, layer] of all.entries()) {
                    pick(layers, "change", i);
                    for (const index of [layer.output >> 1, 0, layer.output - 1]) {
                        for (const slider of sliders) pick(slider, "input", index);
                        if (!isRight(layer, input)) problems.push([key, layer.name, index]);
                    }
                }
            }
            return problems;
        }""",
        PLACE,
    )
    assert problems == []


@pytest.mark.parametrize(
    ("page_name", "network"), [(LENET, "lenet5"), (VGG, "vgg16"), (RESNET, "resnet34")]
)
def test_each_chapter_starts_with_its_own_network(explorer, page_name, network):
    _, place = explorer(page_name)
    assert place.get_by_label("신경망", exact=True).input_value() == network


def test_numbers_of_c3(explorer):
    _, place = explorer()
    choose(place, layer=2)
    assert status(place).startswith("features.3 (C3): 수용 영역 14×14, 누적 스트라이드 2.")
    numbers = place.locator("dd").all_inner_texts()
    assert numbers == ["합성곱 5×5", "14×14", "2", "10×10", "19.1 %", "12화소", "6.5"]
    formula = place.locator(".rf-formula").inner_text()
    assert "6 + (5 − 1)·1·2 = 14" in formula
    assert "2·1 = 2" in formula


def test_field_larger_than_the_input_is_explained(explorer):
    _, place = explorer(RESNET)
    choose(place, layer=0)
    assert not place.locator(".rf-warning").is_visible()
    choose(place, layer=33)
    warning = place.locator(".rf-warning").inner_text()
    assert warning.startswith("이론상의 수용 영역이 입력보다 큽니다(899 > 224).")


def test_keyboard_alone_is_enough(explorer):
    page, place = explorer(VGG)
    place.get_by_label("신경망", exact=True).focus()
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert status(place).startswith("features.0 (C1)")
    page.keyboard.press("Tab")  # ‘이전 층’은 첫 층에서 꺼져 있다
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert status(place).startswith("features.3 (C3)")
    page.keyboard.press("Tab")
    assert "출력 (5, 5)" in status(place)  # 한가운데 넷 가운데 하나
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert status(place).endswith("출력 (3, 4)에서 보는 곳은 입력의 행 6–19, 열 8–21입니다.")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert "출력 (3, 9)" in status(place)
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert "출력 (0, 9)" in status(place)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert "출력 (0, 8)" in status(place)


def test_buttons_stop_at_both_ends(explorer):
    _, place = explorer()
    for name, layer in (("다음 층", 4), ("이전 층", 0)):
        choose(place, layer=layer)
        assert place.get_by_role("button", name=name).is_disabled()
        choose(place, layer=2)
        assert place.get_by_role("button", name=name).is_enabled()


def test_pressing_the_picture_chooses_the_nearest_output(explorer):
    page, place = explorer(VGG)
    choose(place, layer=9)
    place.locator(".rf-lattice").nth(3 * 28 + 20).click(force=True)
    assert "출력 (3, 20)에서" in status(place)
    choose(place, layer=17)  # 층을 바꾸어도 같은 곳을 본다
    assert "출력 (0, 5)에서" in status(place)
    place.locator(".rf-stage").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    choose(place, layer=0)
    assert ", 208)에서" in status(place)  # 끝에서 더 밀어도 보던 곳은 맨 끝 출력의 중심이다


def test_pressing_the_chart_chooses_the_layer(explorer):
    _, place = explorer()
    chart = place.locator(".rf-chart")
    box = chart.bounding_box()
    chart.click(position={"x": box["width"] - 8, "y": box["height"] / 2})
    assert status(place).startswith("features.6 (C5)")


def test_parts_outside_the_image_are_dashed(explorer):
    _, place = explorer(VGG)
    choose(place, layer=17)
    place.locator(".rf-stage").focus()
    for key in ["ArrowUp"] * 7 + ["ArrowLeft"] * 7:
        place.page.keyboard.press(key)
    outside, inside = (
        place.locator(f".rf-stage .rf-field{state}").first
        for state in (".rf-outside", ":not(.rf-outside)")
    )
    style = "(e) => getComputedStyle(e).strokeDasharray"
    assert outside.evaluate(style) != "none"
    assert inside.evaluate(style) == "none"
    scale = outside.bounding_box()["width"] / 212
    assert inside.bounding_box()["width"] / scale == pytest.approx(212 - 90, abs=2)


def luminance(color: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_phone_and_dark(explorer, scheme, width):
    page, place = explorer(LENET, viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    choose(place, "densenet121", 123)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = place.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    for control in place.locator("select, button, input").all():
        size = control.bounding_box()
        assert size["height"] >= 44
        assert size["x"] + size["width"] <= box["x"] + box["width"]
    probe = """(e) => {
        const rgb = (color) => {
            const context = new OffscreenCanvas(1, 1).getContext("2d");
            context.fillStyle = color;
            context.fillRect(0, 0, 1, 1);
            return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255);
        };
        const style = getComputedStyle(e), frame = e.closest(".explorer");
        const text = e instanceof SVGElement ? style.fill : style.color;
        return [rgb(text), rgb(getComputedStyle(frame).backgroundColor)];
    }"""
    texts = ".rf-status, .rf-numbers dt, .rf-numbers dd, .rf-note, .rf-legend li, .rf-chart text"
    for text in place.locator(texts).all():
        high, low = sorted(map(luminance, text.evaluate(probe)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("name", [LENET, VGG, RESNET])
def test_without_scripts_the_figure_is_shown(open_page, name):
    page = open_page(name, java_script_enabled=False)
    picture = page.locator(f"{PLACE} img")
    assert picture.count() == 1
    assert picture.is_visible()
    assert picture.get_attribute("alt")
    assert page.locator(f"{PLACE} select").count() == 0
