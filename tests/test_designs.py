"""설계 문제의 채점: 다른 꼴의 옳은 설계는 통과하고, 그럴듯하지만 틀린 설계는 통과하지 못한다."""

import importlib

import pytest
import torch

from cnn_lectures.exercises import CHAPTERS, exercises, grade
from cnn_lectures.exercises._kinds import Design

DESIGNS = {
    chapter: name
    for chapter in CHAPTERS
    for name, item in exercises(chapter).items()
    if isinstance(item, Design)
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("chapter", DESIGNS)
def test_designs_of_other_styles_are_graded_rightly(chapter, seed):
    """가중치의 초깃값이 달라도 판정은 같아야 한다."""
    torch.manual_seed(seed)
    designs = importlib.import_module(f"tests.designs.{chapter}")
    for expected, make in ((True, designs.right), (False, designs.wrong)):
        for label, model in make():
            verdict = grade(DESIGNS[chapter], model)
            assert verdict.correct is expected, f"{label}: {verdict}"


def test_every_design_is_tried():
    assert list(DESIGNS) == list(CHAPTERS)
