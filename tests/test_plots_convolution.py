"""1장 합성곱의 그림: 칸에 적힌 수와 창의 자리."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnn_lectures import plots
from cnn_lectures.plots import ORANGE, PINK
from cnn_lectures.plots import convolution as draw

X, ONES = np.arange(16.0).reshape(4, 4), np.ones((3, 3))


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def boxes(ax, color: str, *, filled: bool) -> list[tuple[float, float]]:
    """색이 `color`인 사각형의 (x, y)."""
    return [
        patch.get_xy()
        for patch in ax.patches
        if isinstance(patch, Rectangle)
        and patch.get_fill() == filled
        and to_hex(patch.get_facecolor() if filled else patch.get_edgecolor()) == color.lower()
    ]


def test_number_has_a_minus_sign():
    assert [draw.number(value) for value in (-1.0, 0.5, 45.0)] == ["−1", "0.5", "45"]


def test_sliding_window_fills_the_output_in_order():
    figure = draw.sliding_window(X, ONES, positions=[(0, 0), (0, 1), (1, 0), (1, 1)])
    assert isinstance(figure, Figure)
    assert [ax.get_title() for ax in figure.axes] == [
        "y[0, 0] = 45", "y[0, 1] = 54", "y[1, 0] = 81", "y[1, 1] = 90",
    ]  # fmt: skip
    for done, ax in enumerate(figure.axes, start=1):
        assert len(texts(ax)) == 16 + 9 + done
        window, cell = boxes(ax, ORANGE, filled=False)
        assert window == ((done - 1) % 2, (done - 1) // 2)
        assert cell == (5.4 + window[0], 1 + window[1])


def test_sliding_window_pads_with_zeros():
    kernel = np.array([[-1.0, 0.0], [0.0, 1.0]])
    figure = draw.sliding_window(ONES, kernel, positions=[(3, 3)], padding=1, columns=1, name="dX")
    (ax,) = figure.axes
    shown = texts(ax)
    assert [shown[:25].count(digit) for digit in "01"] == [16, 9]
    assert shown[25:29] == ["−1", "0", "0", "1"]
    assert " ".join(shown[29:]) == "1 1 1 0 1 0 0 −1 1 0 0 −1 0 −1 −1 −1"


def test_sliding_window_needs_a_position_inside():
    with pytest.raises(ValueError, match=r"`positions`: 출력 2×2 안의 .* \(받은 값: \(2, 0\)\)"):
        draw.sliding_window(X, ONES, positions=[(2, 0)])


def test_filter_responses_show_torch_numbers():
    image = np.random.default_rng(0).random((6, 5), dtype=np.float32)
    kernels = {"하나": np.arange(9).reshape(3, 3), "둘": -np.eye(3), "셋": ONES}
    figure = draw.filter_responses(image, kernels)
    assert len(figure.axes) == 8
    for index, kernel in enumerate(kernels.values()):
        weight = torch.tensor(kernel, dtype=torch.float64)[None, None]
        expected = F.conv2d(torch.tensor(image).double()[None, None], weight, padding=1)[0, 0]
        (picture,) = figure.axes[2 * index + 1].images
        np.testing.assert_allclose(picture.get_array(), expected, atol=1e-12)
        assert sorted(picture.get_clim()) == [-abs(expected).max(), abs(expected).max()]
    assert not figure.axes[7].images


def test_channels_draws_one_filter_and_bias_for_each_map():
    (ax,) = draw.channels(3, 4).axes
    assert len(ax.patches) == 3 + 4 * (3 + 1)
    assert [text for text in texts(ax) if "b" in text] == ["+ b0", "+ b1", "+ b2", "+ b3"]
    assert "(4, 3, KH, KW)" in texts(ax)


def test_channels_needs_few_channels():
    with pytest.raises(ValueError, match="`in_channels`: 1 이상 4 이하여야 합니다"):
        draw.channels(5)


@pytest.mark.parametrize(
    ("case", "side", "out"),
    [
        (draw.Geometry("가", 7, 3), 7, 5),
        (draw.Geometry("나", 7, 3, stride=2), 7, 3),
        (draw.Geometry("다", 5, 3, padding=1), 7, 5),
        (draw.Geometry("라", 7, 3, dilation=2), 7, 3),
    ],
)
def test_geometry_grid(case, side, out):
    ax, _ = draw.geometry_grid([case, case]).axes
    assert ax.get_title() == f"{case.title}\n{case.size}×{case.size} → {out}×{out}"
    padded = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(padded) == side**2 - case.size**2
    first, second = (set(zip(*line.get_data(), strict=True)) for line in ax.lines)
    assert len(first) == case.kernel_size**2
    assert second == {(x + case.stride, y) for x, y in first}
    assert max(first) == (case.dilation * 2 + 0.5,) * 2


def test_remainder_strips_colour_what_no_window_sees():
    cases = [
        draw.Geometry("", 7, 3, stride=2),
        draw.Geometry("", 7, 3, stride=3),
        draw.Geometry("", 8, 3, stride=2, padding=1),
    ]
    figure = draw.remainder_strips(cases)
    assert [boxes(ax, PINK, filled=True) for ax in figure.axes] == [[], [(6, 0)], [(9, 0)]]
    assert [ax.get_title(loc="left").split(" → ")[1] for ax in figure.axes] == [
        "출력 3, 남음 0", "출력 2, 남음 1", "출력 4, 남음 1",
    ]  # fmt: skip


def test_img2col_matrix_multiplies():
    (ax,) = draw.img2col_matrix(X, ONES).axes
    shown = texts(ax)
    rows = F.unfold(torch.tensor(X)[None, None], 3)[0].T
    assert shown[16 + 9 : 16 + 9 + 36] == [f"{value:g}" for value in rows.flatten().tolist()]
    assert shown[-6:] == ["45", "54", "81", "90", "×", "="]


def test_img2col_matrix_needs_few_windows():
    with pytest.raises(ValueError, match=r"`image`: 창이 4개를 넘지 않아야 .* \(5, 5\)\)"):
        draw.img2col_matrix(np.zeros((5, 5)), ONES)


def test_weight_matrices_count_links_and_kinds():
    matrix = np.array([[1, 2, 0], [0, 1, 2]])
    dense, shared = draw.weight_matrices(matrix).axes
    assert dense.get_title() == "완전 연결 층: 연결 6, 서로 다른 가중치 6"
    assert shared.get_title() == "합성곱 층: 연결 4, 서로 다른 가중치 2"
    assert texts(shared) == ["1", "2", "1", "2"]


def test_channel_links_follow_torch_groups():
    figure = draw.channel_links(4, 6, groups=(1, 2))
    for ax, groups in zip(figure.axes, (1, 2), strict=True):
        weight = torch.ones(6, 4 // groups, 1, 1)
        seen = F.conv2d(torch.eye(4)[:, :, None, None], weight, groups=groups)[..., 0, 0].T
        (mesh,) = ax.collections
        assert mesh.get_array().reshape(6, 4).tolist() == seen.tolist()
        assert ax.get_title() == f"그룹 {groups}\n연결 {24 // groups}"


def test_channel_links_need_common_divisors():
    with pytest.raises(ValueError, match=r"`groups`: 채널 수 4, 6의 공약수.* \(받은 값: 4\)"):
        draw.channel_links(4, 6, groups=(4,))


def test_padding_modes_are_those_of_torch():
    image = np.arange(1, 10).reshape(3, 3)
    for ax in draw.padding_modes(image, 2).axes:
        mode = ax.get_title().split(":")[0].replace("zeros", "constant")
        padded = F.pad(torch.tensor(image)[None, None].double(), [2] * 4, mode)
        assert texts(ax) == [f"{value:g}" for value in padded.flatten().tolist()]


def test_border_errors_share_one_scale():
    errors = {"가": np.zeros((3, 3)), "나": np.eye(3), "다": 2 * np.eye(3)}
    axes = draw.border_errors(errors).axes
    assert [ax.get_title() for ax in axes] == list(errors)
    assert {ax.images[0].get_clim() for ax in axes} == {(0, 2)}
    assert axes[2].images[0].get_array().tolist() == errors["다"].tolist()
