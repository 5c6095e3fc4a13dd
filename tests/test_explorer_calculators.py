"""풀링, LRN, 배치 정규화 계산기. 계산은 torch와 견주고, 화면은 Chromium에서 움직여 본다."""

import itertools
import random

import pytest
import torch
import torch.nn.functional as F
from axe_playwright_python.sync_playwright import Axe
from torch import nn

from cnn_lectures.layers.local_response_norm import LocalResponseNorm

PAGES = {
    "pooling": "book/03_pooling.html",
    "local_response_norm": "book/05_local_response_norm.html",
    "batch_norm": "book/10_batch_norm.html",
}


@pytest.fixture
def open_calculator(open_page):
    """계산기의 이름으로 쪽을 열어 계산기 자리를 돌려주는 함수."""

    def open_(name, **options):
        return open_page(PAGES[name], **options).locator(f'[data-explorer="{name}"]')

    return open_


def run(calculator, expression: str, cases: list):
    """경우마다 식을 계산한 값. 쪽과는 한 번만 주고받는다."""
    return calculator.page.evaluate(f"cases => cases.map(({expression}))", cases)


def close(ours, theirs) -> bool:
    theirs = theirs.detach()
    return torch.allclose(torch.tensor(ours, dtype=torch.float64), theirs, rtol=1e-12, atol=1e-12)


def step(calculator, name: str) -> str:
    """계산 한 줄의 글. 줄을 바꾸지 않는 빈칸은 보통 빈칸으로 바꾼다."""
    title = calculator.page.get_by_text(name, exact=True)
    return calculator.locator("dl > div", has=title).inner_text().replace("\xa0", " ")


# 계산


def pooling_cases():
    dice = random.Random(0)
    kinds = ("max", "average", "inside")
    cases = []
    sizes = range(1, 5)
    for kernel, stride, kind, ceil in itertools.product(sizes, sizes, kinds, (False, True)):
        for padding in 2 * [*range(kernel // 2 + 1)]:
            height, width = dice.randint(4, 6), dice.randint(4, 6)
            # 음수가 많아야 0의 패딩이, 같은 수가 많아야 그 가운데 고른 칸이 드러난다.
            x = [[dice.choice((-3, -2, -1, 0.1)) for _ in range(width)] for _ in range(height)]
            options = {"kernel": kernel, "stride": stride, "padding": padding, "kind": kind}
            cases.append([x, options | {"ceil": ceil}])
    return cases


def test_pooling_equals_torch_down_to_the_cell_that_gets_the_gradient(open_calculator):
    cases = pooling_cases()
    assert len(cases) > 200
    script = """([x, options]) => PoolingCalculator.pool(x, options).map((row) => row.map(
        ({ value, winner }) => [value, winner ? winner.row * x[0].length + winner.column : -1]))"""
    results = run(open_calculator("pooling"), script, cases)
    for (x, options), result in zip(cases, results, strict=True):
        ours = torch.tensor(result, dtype=torch.float64)
        window = options["kernel"], options["stride"], options["padding"]
        images = torch.tensor(x, dtype=torch.float64)[None, None].requires_grad_()
        if options["kind"] == "max":
            theirs, index = F.max_pool2d(
                images, *window, ceil_mode=options["ceil"], return_indices=True
            )
            assert torch.equal(ours[..., 1], index[0, 0].double()), options
            theirs.sum().backward()
            received = torch.zeros(images.numel(), dtype=torch.float64)
            winners = ours[..., 1].long().flatten()
            received.index_add_(0, winners, torch.ones(len(winners), dtype=torch.float64))
            assert torch.equal(received, images.grad.flatten()), options
        else:
            theirs = F.avg_pool2d(
                images, *window, options["ceil"], count_include_pad=options["kind"] == "average"
            )
        assert ours.shape[:2] == theirs.shape[2:], options
        assert close(result, torch.stack([theirs[0, 0], ours[..., 1]], dim=-1)), options


def test_local_response_norm_equals_torch_and_the_package(open_calculator):
    dice = random.Random(0)
    cases = []
    for size, channels, average in itertools.product(range(1, 10), range(1, 9), (True, False)):
        for _ in range(2):
            values = [dice.uniform(-100, 100) for _ in range(channels)]
            rates = {"alpha": dice.uniform(0, 0.1), "beta": dice.uniform(0, 2)}
            options = {"size": size, **rates, "k": dice.uniform(0.1, 3), "average": average}
            cases.append([values, options])
    assert len(cases) > 200
    script = """([values, options]) =>
        LocalResponseNormCalculator.normalize(values, options).map(({ output }) => output)"""
    results = run(open_calculator("local_response_norm"), script, cases)
    for (values, options), ours in zip(cases, results, strict=True):
        x = torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1)
        assert close(ours, LocalResponseNorm(**options)(x).flatten()), options
        if options["average"]:
            rates = {name: options[name] for name in ("alpha", "beta", "k")}
            assert close(ours, nn.LocalResponseNorm(options["size"], **rates)(x).flatten()), options


def test_batch_norm_equals_torch_through_training_and_inference(open_calculator):
    dice = random.Random(0)
    names = ("mean", "variance", "unbiased")
    cases = []
    for count, _ in itertools.product(range(2, 9), range(30)):
        batches = [[dice.uniform(-9, 9) for _ in range(count)] for _ in range(4)]
        rates = {name: dice.uniform(-2, 2) for name in ("gamma", "beta")}
        rates |= {"eps": 10 ** dice.uniform(-7, 0), "momentum": dice.random()}
        cases.append([batches, rates])
    assert len(cases) > 200
    script = """([batches, rates]) => {
        let options = { ...rates, runningMean: 0, runningVar: 1 };
        return batches.map((batch, i) => {
            const step = BatchNormCalculator[i < 3 ? "train" : "eval"](batch, options);
            options = { ...options, runningMean: step.runningMean, runningVar: step.runningVar };
            return step;
        });
    }"""
    results = run(open_calculator("batch_norm"), script, cases)
    for (batches, rates), steps in zip(cases, results, strict=True):
        layer = nn.BatchNorm1d(1, eps=rates["eps"], momentum=rates["momentum"]).double()
        nn.init.constant_(layer.weight, rates["gamma"])
        nn.init.constant_(layer.bias, rates["beta"])
        for i, (batch, ours) in enumerate(zip(batches, steps, strict=True)):
            x = torch.tensor(batch, dtype=torch.float64)
            layer.train(i < 3)
            assert close(ours["output"], layer(x[:, None])[:, 0]), rates
            assert close([ours["runningMean"]], layer.running_mean)
            assert close([ours["runningVar"]], layer.running_var)
            if i < 3:
                expected = torch.stack([x.mean(), x.var(correction=0), x.var()])
                assert close([ours[name] for name in names], expected)


NUMBERS = {
    -0.0: "= 0", 3: "= 3", -2.5: "= −2.5", 0.1 + 0.2: "= 0.3", 1 / 3: "≈ 0.3333",
    -1.3416407: "≈ −1.3416", 0.012345678: "≈ 0.01235", 1e-5: "= 1×10⁻⁵",
    -1.23456e-12: "≈ −1.235×10⁻¹²", 2.5e10: "= 2.5×10¹⁰", 99999.99999: "≈ 100000",
    float("-inf"): "= −∞",
}  # fmt: skip


def test_numbers_are_shown_alike(open_calculator):
    results = run(open_calculator("pooling"), "x => Explorer.equals(x)", list(NUMBERS))
    assert [text.replace("\xa0", " ") for text in results] == list(NUMBERS.values())


def test_what_is_left_of_a_subtraction_is_shown_as_zero(open_calculator):
    cases = [[1e-17, 0.3], [1e-17, 0], [-1e-17, 1], [1e-11, 1]]
    results = run(open_calculator("pooling"), "([x, scale]) => Explorer.format(x, scale)", cases)
    assert results == ["0", "1×10⁻¹⁷", "0", "1×10⁻¹¹"]


LISTS = {
    "1, 2, 3": [1, 2, 3], "1,2,3": [1, 2, 3], "1 2\t3 ": [1, 2, 3], "1, 2,": [1, 2],
    "−1.5 +.5 2e-3": [-1.5, 0.5, 0.002], "１，２．５": [1, 2.5], "-0": [0],
}  # fmt: skip


def test_numbers_are_read_however_they_are_separated(open_calculator):
    script = "text => Explorer.readNumbers('값', text, { most: 3 })"
    assert run(open_calculator("pooling"), script, list(LISTS)) == list(LISTS.values())


MISTAKES = [
    ("", 3, "비어 있습니다"), ("  ", 1, "비어 있습니다"), ("abc", 3, "(받은 값: abc)"),
    ("1, , 2", 3, "쉼표만 있는 곳"), (",", 3, "쉼표만 있는 곳"), ("1 2 3 4", 3, "1개에서 3개까지"),
    ("1 2", 1, "수 하나"), ("0,75", 1, "마침표"), ("1,5 2,5", 3, "마침표"),
    ("1٫5", 1, "(받은 값: 1٫5)"), ("1.2.3", 3, "수가 아닌"), ("NaN", 1, "수가 아닌"),
    ("Infinity", 1, "수가 아닌"), ("0x10", 1, "수가 아닌"), ("1e999", 1, "10000 이하"),
    ("-10001", 1, "받은 값: −10001"),
]  # fmt: skip


def test_what_cannot_be_read_is_explained(open_calculator):
    script = """([text, most]) => {
        try { return String(Explorer.readNumbers("값", text, { most })); }
        catch (error) { return error.message; }
    }"""
    messages = run(open_calculator("pooling"), script, MISTAKES)
    for (text, _, words), message in zip(MISTAKES, messages, strict=True):
        assert message.startswith("“값” 칸"), text
        assert words in message


# 화면


def test_pooling_writes_out_the_chosen_window(open_calculator):
    pooling = open_calculator("pooling")
    for place, value in (("1행 1열", 1), ("1행 2열", 3), ("2행 1열", -2), ("2행 2열", "0")):
        pooling.get_by_role("textbox", name=place).fill(str(value))
    assert "max(1, 3, −2, 0) = 3" in step(pooling, "최댓값")
    assert "1행 2열에 있는 3만" in step(pooling, "기울기")
    assert pooling.locator("input.pooling-winner").get_attribute("aria-label") == "1행 2열"
    pooling.get_by_label("종류").select_option("average")
    assert "(1 + 3 − 2 + 0) / 4 = 0.5" in step(pooling, "평균")
    assert pooling.locator(".pooling-winner").count() == 0
    pooling.get_by_role("radio", name="2행 2열").check(force=True)
    assert "(8 + 7 + 3 + 4) / 4 = 5.5" in step(pooling, "평균")
    assert pooling.get_by_text("출력 2행 2열 = 5.5").is_visible()
    inside = pooling.locator("input.pooling-in")
    assert [box.get_attribute("aria-label") for box in inside.all()] == [
        "3행 3열", "3행 4열", "4행 3열", "4행 4열",
    ]  # fmt: skip


def test_pooling_never_lets_the_padding_win(open_calculator):
    pooling = open_calculator("pooling")
    pooling.get_by_label("패딩", exact=True).select_option("1")
    pooling.get_by_role("textbox", name="1행 1열").fill("-7")
    assert "max(−∞, −∞, −∞, −7) = −7" in step(pooling, "최댓값")
    pooling.get_by_label("종류").select_option("average")
    assert "(0 + 0 + 0 − 7) / 4 = −1.75" in step(pooling, "평균")
    pooling.get_by_label("종류").select_option("inside")
    assert "(−7) / 1 = −7" in step(pooling, "평균")
    assert "count_include_pad=False" in step(pooling, "torch")


def test_pooling_tells_of_ties_and_of_windows_that_stick_out(open_calculator):
    pooling = open_calculator("pooling")
    pooling.get_by_role("textbox", name="1행 2열").fill("4")
    assert "1행 2열에 있는 4만" in step(pooling, "기울기")
    assert "2칸에" in step(pooling, "기울기")
    pooling.get_by_label("입력의 크기").select_option("5")
    assert pooling.get_by_role("radio").count() == 4
    pooling.get_by_label("올림 (ceil_mode)").check()
    assert pooling.get_by_role("radio").count() == 9
    pooling.get_by_role("radio", name="3행 3열").check(force=True)
    assert "벗어난 3칸" in step(pooling, "창")


def test_pooling_keeps_window_and_padding_within_the_input(open_calculator):
    pooling = open_calculator("pooling")
    pooling.get_by_label("창의 크기").select_option("4")
    pooling.get_by_label("패딩", exact=True).select_option("2")
    pooling.get_by_label("입력의 크기").select_option("2")
    assert pooling.get_by_label("창의 크기").input_value() == "2"
    assert pooling.get_by_label("패딩", exact=True).locator("option").all_inner_texts() == [
        "0",
        "1",
    ]
    assert pooling.get_by_label("패딩", exact=True).input_value() == "1"
    assert "NaN" not in pooling.inner_text()


def test_local_response_norm_writes_out_the_chosen_channel(open_calculator):
    lrn = open_calculator("local_response_norm")
    lrn.get_by_role("radio", name="채널 0").check()
    assert "10² + 50² + 30² = 3500" in step(lrn, "제곱의 합")
    assert "2 + 0.0001 × 3500 = 2.35" in step(lrn, "나눌 값의 밑")
    assert "바깥의 2개" in step(lrn, "창의 채널")
    assert "10 / 1.898 ≈ 5.2686" in step(lrn, "출력")
    assert "alpha=0.0005" in step(lrn, "torch")
    lrn.get_by_label("α (alpha)").fill("3e-6")
    assert "alpha=0.000015, beta=0.75" in step(lrn, "torch")
    lrn.get_by_label("α (alpha)").fill("0.0001")
    lrn.get_by_label("제곱을 모으는 방법").select_option("average")
    assert "2 + (0.0001 / 5) × 3500 = 2.07" in step(lrn, "나눌 값의 밑")
    assert "alpha=0.0001" in step(lrn, "torch")
    lrn.get_by_label("n (size)").select_option("4")
    lrn.get_by_role("radio", name="채널 2").check()
    assert "0, 1, 2, 3" in step(lrn, "창의 채널")
    lrn.get_by_label("한 자리의 채널 값").fill("-3 4")
    assert lrn.get_by_role("radio").count() == 2
    assert "(−3)² + 4² = 25" in step(lrn, "제곱의 합")


def test_local_response_norm_refuses_to_divide_by_zero(open_calculator):
    lrn = open_calculator("local_response_norm")
    lrn.get_by_label("한 자리의 채널 값").fill("0, 0")
    lrn.get_by_label("k", exact=True).fill("0")
    assert lrn.get_by_text("나누는 수가 0입니다").is_visible()
    assert not lrn.locator("dl").is_visible()
    lrn.get_by_label("k", exact=True).fill("1")
    assert lrn.get_by_text("나누는 수가 0입니다").count() == 0
    assert lrn.locator("dl").is_visible()


def test_batch_norm_writes_out_the_chapters_four_values(open_calculator):
    bn = open_calculator("batch_norm")
    assert "(1 + 2 + 3 + 4) / 4 = 2.5" in step(bn, "평균")
    assert "((−1.5)² + (−0.5)² + 0.5² + 1.5²) / 4 = 1.25" in step(bn, "편향 분산")
    assert "1.25 × 4 / 3 ≈ 1.6667" in step(bn, "불편 분산")
    assert "(1 − 0.1) × 0 + 0.1 × 2.5 = 0.25" in step(bn, "새 이동 평균")
    assert "(1 − 0.1) × 1 + 0.1 × 1.6667 ≈ 1.0667" in step(bn, "새 이동 분산")
    assert "x̂의 평균 = 0" in step(bn, "검산")
    assert bn.locator("tbody tr").first.inner_text().split() == [
        "1",
        "1",
        "−1.5",
        "−1.3416",
        "−1.3416",
    ]
    bn.get_by_label("γ (weight)").fill("2")
    bn.get_by_label("β (bias)").fill("-1")
    assert "2 × (−1.3416) + (−1) ≈ −3.6833" in step(bn, "출력")
    bn.get_by_role("button", name="한 스텝 더").click()
    assert bn.get_by_label("running_mean").input_value() == "0.25"
    assert "(1 − 0.1) × 0.25 + 0.1 × 2.5 = 0.475" in step(bn, "새 이동 평균")
    bn.get_by_label("모드").select_option("eval")
    assert "running_mean = 0.25" in step(bn, "이동 평균")
    assert not bn.get_by_role("button").is_visible()


def test_batch_norm_shows_no_rubbish_from_subtraction(open_calculator):
    bn = open_calculator("batch_norm")
    bn.get_by_label("한 채널의 미니배치").fill("0.1 0.2 0.3")
    assert "10⁻¹⁷" not in bn.inner_text()
    assert bn.locator("tbody tr").nth(1).inner_text().split()[2:] == ["0", "0", "0"]
    bn.get_by_label("한 채널의 미니배치").fill("1000.1 1000.2 1000.3")
    assert "10⁻" not in bn.locator(".explorer-result").inner_text()
    bn.get_by_label("한 채널의 미니배치").fill("0.1 0.1 0.1")
    assert "= 0" in step(bn, "편향 분산")
    bn.get_by_label("한 채널의 미니배치").fill("10000 9999.999")
    assert "2.5×10⁻⁷" in step(bn, "편향 분산")


def test_batch_norm_explains_a_batch_of_one_and_a_zero_divisor(open_calculator):
    bn = open_calculator("batch_norm")
    bn.get_by_label("한 채널의 미니배치").fill("5")
    assert bn.get_by_text("값이 둘 이상이어야 합니다").is_visible()
    assert not bn.locator("dl").is_visible()
    bn.get_by_label("모드").select_option("eval")
    assert bn.get_by_text("값이 둘 이상이어야 합니다").count() == 0
    assert bn.locator("tbody tr").count() == 1
    bn.get_by_label("모드").select_option("train")
    bn.get_by_label("한 채널의 미니배치").fill("5, 5")
    assert bn.locator("dl").is_visible()
    bn.get_by_label("ε (eps)").fill("0")
    assert bn.get_by_text("분산과 ε이 모두 0").is_visible()
    assert not bn.locator("dl").is_visible()


FIELDS = [
    ("pooling", "1행 1열", "1행 1열"),
    ("local_response_norm", "한 자리의 채널 값", "채널 값"),
    ("local_response_norm", "β (beta)", "β"),
    ("batch_norm", "한 채널의 미니배치", "미니배치"),
    ("batch_norm", "running_var", "running_var"),
]


@pytest.mark.parametrize(("calculator", "label", "name"), FIELDS)
def test_a_wrong_number_is_explained_until_it_is_mended(open_calculator, calculator, label, name):
    place = open_calculator(calculator)
    field = place.get_by_role("textbox", name=label)
    before, right = place.locator("dl").inner_text(), field.input_value()
    for wrong in ("abc", "", "-", "1,5 2,5", "1 2 3 4 5 6 7 8 9", "99999999999"):
        field.fill(wrong)
        error = place.locator(".explorer-error", has_text=f"“{name}” 칸")
        assert error.is_visible(), wrong
        assert field.get_attribute("aria-invalid") == "true"
        assert place.locator("dl").inner_text() == before
        assert "NaN" not in place.inner_text()
    field.fill(right)
    assert "".join(place.locator(".explorer-error").all_inner_texts()) == ""
    assert field.get_attribute("aria-invalid") is None


def test_pooling_works_from_the_keyboard(open_calculator):
    pooling = open_calculator("pooling")
    keyboard = pooling.page.keyboard
    pooling.get_by_role("textbox", name="1행 1열").focus()
    keyboard.press("ArrowDown")
    keyboard.press("Tab")
    keyboard.press("ControlOrMeta+A")
    keyboard.type("9")
    assert "max(1, 3, 4, 9) = 9" in step(pooling, "최댓값")
    for _ in range(11):
        keyboard.press("Tab")
    assert pooling.get_by_role("radio", name="1행 1열").evaluate(
        "x => x === document.activeElement"
    )
    keyboard.press("ArrowDown")
    assert pooling.get_by_text("출력 2행 1열 = 6").is_visible()
    keyboard.press("ArrowRight")
    assert pooling.get_by_text("출력 2행 2열 = 8").is_visible()
    keyboard.press("ArrowUp")
    assert pooling.get_by_text("출력 1행 2열 = 5").is_visible()


def test_channels_are_chosen_from_the_keyboard(open_calculator):
    lrn = open_calculator("local_response_norm")
    lrn.get_by_role("radio", name="채널 2").focus()
    lrn.page.keyboard.press("ArrowDown")
    assert lrn.get_by_text("채널 3: 100 →").is_visible()
    assert "1, 2, 3, 4" in step(lrn, "창의 채널")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_wrong_in_either_theme(open_calculator, name, scheme):
    place = open_calculator(name, color_scheme=scheme)
    place.get_by_role("textbox").first.fill("abc")
    if name == "pooling":
        place.get_by_label("패딩", exact=True).select_option("1")
    assert place.page.locator("html").get_attribute("data-theme") == scheme
    results = Axe().run(place.page, context=f'[data-explorer="{name}"]', options={"preload": False})
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_everything_without_scrolling_sideways(open_calculator, name):
    place = open_calculator(name, viewport={"width": 390, "height": 844})
    if name == "pooling":
        for label, value in (("입력의 크기", "6"), ("창의 크기", "6"), ("패딩", "3")):
            place.get_by_label(label, exact=True).select_option(value)
    else:
        text = "-9999.123, -1234.567, 8, 9, 10, 11, 12, 9999.999"
        place.get_by_role("textbox").first.fill(text)
    assert place.page.evaluate("document.documentElement.scrollWidth") <= 390
    for field in place.locator("input:visible, select:visible, button:visible").all():
        size = field.bounding_box()
        if field.get_attribute("type") in ("checkbox", "radio"):
            size = field.locator("xpath=..").bounding_box()
        assert size["height"] >= 44, field


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_a_figure_stands_in(open_calculator, name):
    place = open_calculator(name, java_script_enabled=False)
    assert place.locator("img").is_visible()
    assert place.locator("img").get_attribute("alt")
