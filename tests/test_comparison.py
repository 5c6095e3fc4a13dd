"""견주는 표: 논문의 수는 출처와, 계산한 수는 모형과 어긋나지 않는지 본다."""

import math
import re
from pathlib import Path

import pytest
import torch
import torchvision

from cnn_lectures import comparison
from cnn_lectures.comparison import NETWORKS, Row, counterexamples, format_table
from cnn_lectures.models import MODELS, build_model

BY_NAME = {network.name: network for network in NETWORKS}


@pytest.fixture(scope="module")
def paper() -> dict[str, Row]:
    return {row.name: row for row in comparison.table()}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Row]:
    return {row.name: row for row in comparison.table("torchvision")}


def test_every_network_names_a_model_and_a_torchvision_model():
    for network in NETWORKS:
        assert network.model in MODELS
        if network.torchvision:
            name, twin = network.torchvision
            assert twin in MODELS
            assert name in torchvision.models.list_models()
    assert len(BY_NAME) == len(NETWORKS) == 17


@pytest.mark.parametrize("network", NETWORKS, ids=list(BY_NAME))
def test_results_are_percentages_with_a_source(network):
    for result in network.results:
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]+, (Table \d+( \(B\))?|III\.B)", result.place)
        assert result.top1 is not None or result.top5 is not None
        assert None in result[:2] or 0 < result.top5 < result.top1 < 100
    # 같은 자료에서는 손이 더 간 방법일수록 오류율이 낮다
    five = [result.top5 for result in network.results if result.top5]
    assert five == sorted(five, reverse=True)


@pytest.mark.parametrize(
    ("name", "sizes"),
    {
        "LeNet-5": (5, 61_706, 416_520, 6_518, 32),
        "AlexNet": (8, 60_965_224, 724_406_816, 659_272, 195),
        "VGG-16": (16, 138_357_544, 15_470_264_320, 13_556_712, 212),
        "GoogLeNet": (22, 6_998_552, 1_582_671_872, 3_227_160, 715),
        "ResNet-50": (50, 25_557_032, 3_857_973_248, 10_588_136, 483),
        "DenseNet-121": (121, 7_978_856, 2_834_161_664, 6_900_200, 2071),
    }.items(),
)
def test_sizes_are_those_of_the_papers(paper, name, sizes):
    row = paper[name]
    found = (row.depth, row.parameters, row.multiply_adds, row.activations, row.receptive_field)
    assert found == sizes


def test_the_number_in_a_name_is_the_depth(paper):
    for name, row in paper.items():
        number = re.search(r"-(\d+)$", name)
        if number:
            assert row.depth == int(number[1])


def test_paper_rows_show_the_first_result(paper):
    errors = {name: (paper[name].top1, paper[name].top5) for name in ("VGG-16", "GoogLeNet")}
    assert errors == {"VGG-16": (28.07, 9.33), "GoogLeNet": (None, 10.07)}
    assert (paper["DenseNet-161"].top1, paper["DenseNet-161"].top5) == (None, None)


def test_torchvision_rows_have_the_parameters_torchvision_states(theirs):
    assert "LeNet-5" not in theirs
    assert "NiN" not in theirs
    for name, row in theirs.items():
        weights = torchvision.models.get_model_weights(BY_NAME[name].torchvision[0]).IMAGENET1K_V1
        assert row.parameters == weights.meta["num_params"]
        assert row.multiply_adds / 1e9 == pytest.approx(weights.meta["_ops"], abs=1e-3)
        accuracy = weights.meta["_metrics"]["ImageNet-1K"]
        assert row.top1 + accuracy["acc@1"] == pytest.approx(100)
        assert row.top5 + accuracy["acc@5"] == pytest.approx(100)


def test_stored_bytes_of_a_chain_are_the_tensors_autograd_keeps():
    with torch.device("meta"):
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten())
    # 합성곱의 출력은 버려지고 ReLU의 출력만 남는다. 입력은 세지 않는다.
    assert comparison.measure(model, (1, 8))["stored_bytes"] == 4 * 2 * 6 * 6


def test_table_rejects_an_unknown_form_and_weights():
    with pytest.raises(ValueError, match=r"`form`: .*받은 값: 'papers'"):
        comparison.table("papers")
    with pytest.raises(ValueError, match=r"`weights`: .*IMAGENET1K_V1"):
        comparison.torchvision_errors("vgg16", weights="IMAGENET1K_V9")


def test_better_training_alone_lowers_the_error():
    first, second = (
        comparison.torchvision_errors("resnet50", weights=f"IMAGENET1K_V{n}") for n in (1, 2)
    )
    assert second[0] < first[0]


def rows(*values) -> list[Row]:
    fields = dict.fromkeys(Row._fields, 0)
    return [
        Row(**fields | {"name": name, "depth": depth, "top1": top1}) for name, depth, top1 in values
    ]


def test_format_table_sorts_by_any_column_and_puts_unknown_last():
    table = rows(("b", 3, 9.0), ("a", 20, None), ("c", 1, 10.5))
    order = [line.split()[0] for line in format_table(table, key="top1").splitlines()]
    assert order == ["network", "b", "c", "a"]
    text = format_table(table, key="depth", descending=True, columns=("name", "depth", "top1"))
    lines = text.splitlines()
    assert [line.split() for line in lines] == [
        ["network", "depth", "top-1"], ["a", "20", "-"], ["b", "3", "9.00"], ["c", "1", "10.50"],
    ]  # fmt: skip
    assert len({len(line) for line in lines}) == 1
    with pytest.raises(ValueError, match=r"`key`: depth 가운데"):
        format_table(table, key="dept")
    with pytest.raises(ValueError, match=r"`columns`"):
        format_table(table, columns=("size",))


def test_counterexamples_are_the_pairs_against_the_claim():
    table = rows(("a", 1, 30.0), ("b", 2, 20.0), ("c", 3, 25.0), ("d", 4, None), ("e", 5, 25.0))
    found = counterexamples(table, "depth", "top1", sign=-1)
    assert [(a.name, b.name) for a, b in found] == [
        ("c", "b"),
        ("e", "b"),
    ]  # c와 e는 같으므로 어긋나지 않는다
    found = counterexamples(table, "depth", "top1", sign=1)
    assert [(a.name, b.name) for a, b in found] == [("b", "a"), ("c", "a"), ("e", "a")]
    with pytest.raises(ValueError, match=r"`sign`: 1이나 -1이어야 합니다"):
        counterexamples(table, "depth", "top1", sign=0)


@pytest.mark.parametrize(
    ("name", "found"),
    {
        "LeNet-5": {"완전 연결 은닉층", "tanh"},
        "NiN": {"ReLU", "최대 풀링", "드롭아웃", "1×1 합성곱", "전역 평균 풀링"},
        "ResNet-18": {"ReLU", "최대 풀링", "전역 평균 풀링", "배치 정규화", "지름길 연결"},
    }.items(),
)
def test_ideas_are_found_in_the_modules(name, found):
    assert comparison.ideas(BY_NAME[name]) == found


def test_every_idea_is_used_by_some_network():
    chosen = ("LeNet-5", "AlexNet", "NiN", "VGG-16", "GoogLeNet", "ResNet-50", "DenseNet-121")
    used = set().union(*(comparison.ideas(BY_NAME[name]) for name in chosen))
    assert used == set(comparison.IDEAS)


def test_best_times_takes_turns():
    calls = []
    jobs = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    times = comparison.best_times(jobs, rounds=2)
    assert calls == ["a", "b"] * 3
    assert list(times) == ["a", "b"]
    assert all(0 <= value < math.inf for value in times.values())
    with pytest.raises(ValueError, match=r"`rounds`: 1 이상의 정수여야"):
        comparison.best_times(jobs, rounds=0)


def test_best_times_keeps_the_shortest_but_not_the_first(monkeypatch):
    clock = iter([0, 1, 10, 14, 20, 23])  # 걸린 시간이 1, 4, 3
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: next(clock))
    assert comparison.best_times({"a": lambda: None}, rounds=2) == {"a": 3}


def test_papers_are_in_the_bibliography():
    text = (Path(__file__).parents[1] / "book" / "references.bib").read_text(encoding="utf-8")
    keys = {result.place.split(",")[0] for network in NETWORKS for result in network.results}
    for key in keys:
        assert f"{{{key}," in text


def test_models_of_the_paper_can_be_built():
    with torch.device("meta"):
        model = build_model(BY_NAME["NiN"].model, **BY_NAME["NiN"].options)
    assert model(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1000)
