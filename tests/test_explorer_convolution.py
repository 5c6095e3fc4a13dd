"""1장의 합성곱 탐험기. 브라우저에서 한 셈을 torch와 견주고, 화면을 사람처럼 다루어 본다."""

import re
from itertools import product

import pytest
import torch
import torch.nn.functional as F

PAGE = "book/01_convolution.html"
PLACE = '[data-explorer="convolution"]'
KEYS = ("size", "kernelSize", "stride", "padding", "dilation", "ceilMode")
FIELDS = {
    "size": "입력 크기 H",
    "kernel": "커널 K",
    "stride": "스트라이드 S",
    "padding": "패딩 P",
    "dilation": "팽창률 D",
}
GRID = list(product(range(1, 16), range(1, 6), range(1, 5), range(4), range(1, 4), [False, True]))


def windows(size, kernel_size, stride, padding, dilation, ceil_mode):
    """출력마다 torch가 보는 입력의 번호. 입력을 한 칸씩만 켜서 알아낸다. 오류가 나면 None이다."""
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    x = torch.eye(size)[:, None]
    try:
        if ceil_mode:
            y = F.max_pool1d(x, kernel_size, **window, ceil_mode=True)
        else:
            y = F.conv1d(x, torch.ones(1, 1, kernel_size), **window)
    except RuntimeError:
        return None
    return [column.nonzero().flatten().tolist() for column in (y[:, 0] == 1).T]


@pytest.fixture(scope="module")
def expected():
    return [windows(*case) for case in GRID]


def evaluate(page, expression, cases):
    """인자의 조합마다 식을 계산한다. 식 안에서 인자는 `o`, 함수의 모음은 `C`이다."""
    options = [dict(zip(KEYS, case, strict=False)) for case in cases]
    return page.evaluate(f"all => (C => all.map(o => {expression}))(ConvolutionExplorer)", options)


def explorer(page):
    return page.locator(PLACE)


def set_fields(page, *, ceil_mode=False, **values):
    for key, value in values.items():
        explorer(page).get_by_label(FIELDS[key]).fill(str(value))
    explorer(page).get_by_label("ceil_mode").set_checked(ceil_mode)


def cells(page, name):
    """격자에서 `name`으로 칠한 (행, 열)의 집합."""
    path = explorer(page).locator(f".convolution-picture .convolution-{name}").get_attribute("d")
    return {
        (round(float(row) - 0.05), round(float(column) - 0.05))
        for column, row in re.findall(r"M(\S+) (\S+?)h", path or "")
    }


def status(page):
    return explorer(page).locator(".convolution-status").text_content()


def formula(page):
    return explorer(page).locator(".convolution-formula div").all_text_contents()


def test_output_size_equals_torch(open_page, expected):
    sizes = evaluate(open_page(PAGE), "C.outputSize(o)", GRID)
    assert sizes == [None if case is None else len(case) for case in expected]


def test_windows_and_unused_pixels_equal_torch(open_page, expected):
    page = open_page(PAGE)
    possible = [(c, seen) for c, seen in zip(GRID, expected, strict=True) if seen is not None]
    expression = "[C.range(0, C.outputSize(o)).map(i => C.windowIndices(o, i)), C.unusedIndices(o)]"
    results = evaluate(page, expression, [case for case, _ in possible])
    for (case, seen), (indices, unused) in zip(possible, results, strict=True):
        size, kernel_size = case[:2]
        assert all(len(window) == kernel_size for window in indices), case
        assert [[i for i in window if 0 <= i < size] for window in indices] == seen, case
        assert unused == sorted(set(range(size)).difference(*seen)), case


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
def test_same_padding_is_the_least_that_keeps_the_size(open_page):
    cases = list(product(range(1, 16), range(1, 6), range(1, 5), [0], range(1, 4)))
    for case, same in zip(cases, evaluate(open_page(PAGE), "C.samePadding(o)", cases), strict=True):
        size, kernel_size, stride, _, dilation = case
        x, kernel = torch.eye(size)[:, None], torch.ones(1, 1, kernel_size)
        padded = F.pad(x, [same["left"], same["right"]])
        y = F.conv1d(padded, kernel, stride=stride, dilation=dilation)
        assert y.shape[2] == same["output"] == -(-size // stride), case
        assert same["left"] + same["right"] == same["total"], case
        assert same["right"] - same["left"] in (0, 1), case
        if stride == 1:
            assert torch.equal(y, F.conv1d(x, kernel, padding="same", dilation=dilation)), case
        if same["total"]:
            less = windows(size + same["total"] - 1, kernel_size, stride, 0, dilation, False)
            assert less is None or len(less) < same["output"], case


def test_total_padding_is_twice_the_padding_per_side(open_page):
    case = (7, 3, 2, 1, 1)
    total = {"output": 4, "total": 2, "left": 1, "right": 1}
    assert evaluate(open_page(PAGE), "C.totalPadding(o)", [case]) == [total]


def test_formula_shows_the_numbers(open_page):
    page = open_page(PAGE)
    set_fields(page, size=7, kernel=3, stride=2, padding=1)
    assert formula(page) == [
        "⌊(H + 2P − D(K − 1) − 1) / S⌋ + 1",
        "= ⌊(7 + 2·1 − 1·(3 − 1) − 1) / 2⌋ + 1",
        "= ⌊6 / 2⌋ + 1 = 4, 나머지 0",
    ]
    set_fields(page, padding=0, stride=3)
    assert formula(page)[-1] == "= ⌊4 / 3⌋ + 1 = 2, 나머지 1"


def test_ceil_mode_explains_which_window_is_kept(open_page):
    page = open_page(PAGE)
    set_fields(page, size=6, kernel=3, stride=3, padding=1, ceil_mode=True)
    assert formula(page)[-1] == "= ⌈5 / 3⌉ + 1 = 3, 나머지 2"
    assert "끝에 남는 2줄에도 창을 하나 더" in explorer(page).text_content()
    set_fields(page, size=5, ceil_mode=True)
    assert formula(page)[-1] == "= ⌈4 / 3⌉ + 1 − 1 = 2, 나머지 1"
    assert "PyTorch가 버립니다" in explorer(page).text_content()
    set_fields(page, size=2, kernel=3, stride=2, padding=0, ceil_mode=True)
    assert formula(page)[-1] == "= ⌈−1 / 2⌉ + 1 = 1"
    assert "입력보다 큰 창도" in explorer(page).text_content()
    set_fields(page)
    assert "올림" not in explorer(page).text_content()


@pytest.mark.parametrize(
    "fields", [(8, 3, 3, 1, 1), (9, 1, 2, 0, 1), (12, 2, 4, 2, 1), (9, 3, 2, 3, 3)]
)
def test_unused_pixels_are_counted_and_hatched(open_page, fields):
    page = open_page(PAGE)
    size, kernel, stride, padding, dilation = fields
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    set_fields(page, size=size, kernel=kernel, **window)
    width = size + 2 * padding
    x = torch.zeros(1, 1, width, width, requires_grad=True)
    F.conv2d(x, torch.ones(1, 1, kernel, kernel), stride=stride, dilation=dilation).sum().backward()
    unused = {tuple(cell) for cell in ((x.grad[0, 0] == 0).nonzero() - padding).tolist()}
    assert cells(page, "unused") == unused
    pixels = sum(0 <= row < size and 0 <= column < size for row, column in unused)
    assert f"쓰이지 않는 화소: {pixels}칸." in explorer(page).text_content()


def test_arrow_keys_choose_an_output_and_light_its_pixels(open_page):
    page = open_page(PAGE)
    grid = explorer(page).get_by_role("application")
    grid.focus()
    top = grid.bounding_box()["y"]
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    assert status(page) == "출력 (2, 1): 입력 행 3–5, 열 1–3"
    assert cells(page, "chosen") == {(2, 1)}
    assert cells(page, "used") == set(product((3, 4, 5), (1, 2, 3)))
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert status(page) == "출력 (2, 3): 입력 행 3–5, 열 5–7"
    page.keyboard.press("Home")
    assert status(page) == "출력 (2, 0): 입력 행 3–5, 열 0–1 · 창의 9칸 가운데 3칸은 입력 밖"
    assert grid.bounding_box()["y"] == top  # 화살표 키가 쪽을 밀지 않는다
    set_fields(page, dilation=2, padding=2, stride=1)
    assert status(page) == "출력 (2, 0): 입력 행 0, 2, 4, 열 0, 2 · 창의 9칸 가운데 3칸은 입력 밖"
    assert cells(page, "used") == set(product((0, 2, 4), (0, 2)))


def test_a_click_chooses_the_cell_under_the_pointer(open_page):
    page = open_page(PAGE)
    grid = explorer(page).get_by_role("application")
    box = grid.bounding_box()
    side = box["width"] / 5.1  # 번호를 적은 줄까지 다섯 칸
    grid.click(position={"x": 3.5 * side, "y": 1.5 * side})
    assert cells(page, "chosen") == {(0, 2)}


def test_the_chosen_output_stays_inside_a_smaller_grid(open_page):
    page = open_page(PAGE)
    explorer(page).get_by_role("button", name="이전 칸").click()
    assert cells(page, "chosen") == {(3, 3)}
    set_fields(page, size=4)
    assert cells(page, "chosen") == {(1, 1)}


def test_play_slides_the_window_once_over_every_output(open_page):
    page = open_page(PAGE, reduced_motion="reduce")
    page.clock.install()
    set_fields(page, size=3, kernel=2, stride=1, padding=0)
    page.clock.run_for(5000)
    assert cells(page, "chosen") == {(0, 0)}
    play = explorer(page).get_by_role("button", name="재생")
    play.click()
    page.clock.run_for(1400)
    assert cells(page, "chosen") == {(1, 0)}
    explorer(page).get_by_role("button", name="멈춤").click()
    page.clock.run_for(5000)
    assert cells(page, "chosen") == {(1, 0)}
    play.click()
    page.clock.run_for(5000)
    assert cells(page, "chosen") == {(1, 1)}
    assert play.is_visible()
    window = explorer(page).locator(".convolution-window")
    assert window.evaluate("node => getComputedStyle(node).transitionDuration") == "0s"


def test_table_compares_the_three_conventions(open_page):
    page = open_page(PAGE)
    rows = explorer(page).locator("tbody tr")

    def table():
        return [
            [row.locator("th span").text_content(), *row.locator("td").all_text_contents()]
            for row in rows.all()
        ]

    assert table() == [
        ["⌊(8 + 2·1 − 3) / 2⌋ + 1", "1 + 1", "−1번", "4"],
        ["⌊(8 + 2 − 3) / 2⌋ + 1", "1 + 1", "−1번", "4"],
        ["⌈8 / 2⌉", "0 + 1", "0번", "4"],
    ]
    verdict = explorer(page).locator(".convolution-verdict")
    assert "PyTorch는 −1번, SAME은 0번" in verdict.text_content()
    set_fields(page, stride=1)
    assert verdict.text_content() == "세 약속이 같은 일을 합니다."
    set_fields(page, size=9, stride=2, padding=0)
    assert "크기부터 다릅니다" in verdict.text_content()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"size": 4, "kernel": 5, "padding": 0}, "1·(5 − 1) + 1 = 5칸인데 패딩까지 센 입력은 4칸"),
        ({"kernel": 3, "padding": 2, "ceil_mode": True}, "패딩(2)이 커널(3)의 절반보다 크면"),
    ],
)
def test_impossible_sizes_are_explained(open_page, fields, reason):
    page = open_page(PAGE)
    message = explorer(page).locator(".convolution-message")
    assert message.is_hidden()
    set_fields(page, **fields)
    assert message.is_visible()
    assert reason in message.text_content()
    assert formula(page) == []
    assert explorer(page).get_by_role("application").is_hidden()
    assert explorer(page).locator("tbody td:last-child").first.text_content() == "없음"
    assert "NaN" not in explorer(page).inner_html()
    set_fields(page, size=8, kernel=3, padding=1)
    assert message.is_hidden()
    assert explorer(page).get_by_role("application").is_visible()
    assert formula(page)[-1] == "= ⌊7 / 2⌋ + 1 = 4, 나머지 1"


@pytest.mark.parametrize(("size", "kernel", "padding"), [(12, 1, 3), (12, 7, 3), (1, 1, 0)])
def test_fits_on_a_phone(open_page, size, kernel, padding):
    page = open_page(PAGE, viewport={"width": 390, "height": 844}, has_touch=True)
    set_fields(page, size=size, kernel=kernel, stride=1, padding=padding)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    frame = explorer(page).bounding_box()
    for node in explorer(page).locator("svg, input, button, table").all():
        box = node.bounding_box()
        assert box["x"] >= frame["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
    pixels = "all => all.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    assert min(explorer(page).locator("svg text").evaluate_all(pixels)) >= 10
    for control in explorer(page).get_by_role("button").all():
        assert control.bounding_box()["height"] >= 44


CONTRASTS = """place => {
  const rgb = color => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = color => rgb(color)
    .map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = node => {
    const color = getComputedStyle(node).backgroundColor;
    return /(, 0\\)|transparent|\\/ 0\\))$/.test(color) ? paper(node.parentElement) : color;
  };
  return [...place.querySelectorAll("*")]
    .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
    .map(node => {
      const style = getComputedStyle(node);
      const ink = light(node instanceof SVGElement ? style.fill : style.color);
      const ground = light(paper(node));
      return [node.textContent,
        (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_in_both_themes(open_page, scheme):
    page = open_page(PAGE, color_scheme=scheme)
    assert page.locator("html").get_attribute("data-theme") == scheme
    contrasts = explorer(page).evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []


def test_without_scripts_a_figure_takes_the_place(open_page):
    page = open_page(PAGE, java_script_enabled=False)
    image = explorer(page).locator("img")
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    assert box["width"] > 200
    assert box["height"] > 200
    assert "격자 네 개" in image.get_attribute("alt")


def test_with_scripts_the_figure_is_not_shown_twice(open_page):
    page = open_page(PAGE)
    assert explorer(page).locator("img, noscript").count() == 0
    assert page.locator('img[alt^="격자 네 개"]').count() == 1
