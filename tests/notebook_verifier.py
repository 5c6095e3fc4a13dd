"""nbval을 바꾸어 노트북의 글, 표, 소스, 그림을 모두 비교한다.

nbval 그대로는 그림을 비교하지 않고, 실행한 적 없는 칸을 그냥 통과시키며, 식 끝의 세미콜론을
다르게 다룬다. 여기서는 저장된 출력과 새 출력을 차례대로 견준다.

- 글, 표, 소스: 한 글자까지 같아야 한다.
- 그림: 크기가 같고, 255 단계 가운데 32보다 크게 다른 화소가 4개를 넘지 않아야 한다.
- 장치나 스레드 수에 따라 달라지는 칸은 메타데이터 `verify`에 허용 오차와 까닭을 적는다.
  `{"verify": {"rtol": 0.1, "atol": 0.02, "pixels": 0.05, "why": "학습 결과"}}`
  `rtol`과 `atol`은 출력에 나오는 수에, `pixels`(화소의 비율)는 그림에 적용한다.

그림이 다르면 기대한 그림, 나온 그림, 차이를 `_build/nbval`에 남긴다.
"""

import base64
import binascii
import io
import json
import math
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams
from PIL import Image

PIXEL_LEVELS = 32  # 이보다 크게 다른 화소를 다르다고 센다
PIXEL_COUNT = 4  # 다른 화소를 이만큼까지 봐준다
VERIFY_KEYS = {"rtol", "atol", "pixels", "why"}
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")

# 진행 막대와 여러 스레드의 경고가 출력에 섞이지 않게 한다. 커널이 이 값을 물려받는다.
os.environ.setdefault("CNN_LECTURES_PROGRESS", "0")


def flatten(outputs) -> list[tuple[str, object]]:
    """출력 목록을 (종류, 내용)의 목록으로 편다. 실행 번호처럼 뜻 없는 것은 버린다."""
    flat = []
    for output in coalesce_streams(list(outputs)):
        if output.output_type == "stream":
            flat.append((output.name, output.text))
        elif output.output_type == "error":
            flat.append(("error", f"{output.ename}: {output.evalue}"))
        else:
            flat += [
                # JSON에서는 열쇠의 차례가 뜻이 없다
                (kind, json.dumps(data, sort_keys=True) if kind.endswith("+json") else data)
                for kind, data in sorted(output.data.items())
            ]
    return flat


def compare_text(expected: str, actual: str, *, rtol: float = 0.0, atol: float = 0.0) -> str:
    """두 글이 다르면 까닭을, 같으면 빈 문자열을 돌려준다. 수는 허용 오차 안에서 같으면 된다."""
    if expected == actual:
        return ""
    if rtol or atol:
        left, right = NUMBER.findall(expected), NUMBER.findall(actual)
        # 수의 자릿수가 달라지면 맞춤 공백도 달라진다.
        skeletons = [" ".join(NUMBER.sub("#", text).split()) for text in (expected, actual)]
        if skeletons[0] == skeletons[1] and len(left) == len(right):
            far = [
                f"{a} ↔ {b}"
                for a, b in zip(left, right, strict=True)
                if not math.isclose(number(a), number(b), rel_tol=rtol, abs_tol=atol)
            ]
            return f"허용 오차를 벗어난 수: {', '.join(far)}" if far else ""
    return f"저장된 출력:\n{expected}\n새 출력:\n{actual}"


def number(text: str) -> float:
    """쉼표나 − 기호가 든 수를 읽는다."""
    return float(text.replace(",", "").replace("−", "-"))


def decode(png: str) -> np.ndarray:
    """Base64로 적힌 PNG를 (H, W, 4) 배열로 읽는다."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    return np.asarray(image.convert("RGBA"), dtype=np.int16)


def compare_images(expected: str, actual: str, *, pixels: float = 0.0, save=None) -> str:
    """두 PNG가 다르면 까닭을, 같으면 빈 문자열을 돌려준다."""
    if expected == actual:
        return ""
    try:
        left, right = decode(expected), decode(actual)
    except (OSError, binascii.Error) as problem:
        return f"그림을 읽을 수 없습니다: {problem}"
    if left.shape != right.shape:
        reason = f"그림의 크기가 다릅니다: {left.shape[:2]} ↔ {right.shape[:2]}"
        differing = None
    else:
        differing = (abs(left - right) > PIXEL_LEVELS).any(axis=-1)
        allowed = max(PIXEL_COUNT, round(pixels * differing.size))
        if differing.sum() <= allowed:
            return ""
        reason = f"다른 화소가 {differing.sum()}개입니다 (허용: {allowed}개)"
    if save:
        reason += f"\n그림을 남긴 곳: {save(left, right, differing)}"
    return reason


def compare(expected, actual, tolerance: dict, *, save=None) -> str:
    """출력 목록 둘을 견주어 첫 차이의 까닭을 돌려준다."""
    expected, actual = flatten(expected), flatten(actual)
    kinds = [[kind for kind, _ in side] for side in (expected, actual)]
    if kinds[0] != kinds[1]:
        texts = "\n".join(
            str(value)[:2000] for kind, value in actual if kind in ("stderr", "error")
        )
        return f"출력의 종류가 다릅니다: {kinds[0]} ↔ {kinds[1]}\n{texts}"
    for (kind, left), (_, right) in zip(expected, actual, strict=True):
        if kind in ("image/png", "image/jpeg"):
            reason = compare_images(left, right, pixels=tolerance.get("pixels", 0.0), save=save)
        else:
            bounds = {key: tolerance[key] for key in ("rtol", "atol") if key in tolerance}
            reason = compare_text(str(left), str(right), **bounds)
        if reason:
            return f"[{kind}] {reason}"
    return ""


def save_images(folder: Path, left, right, differing) -> Path:
    """기대한 그림, 나온 그림, 다른 화소를 `folder`에 적는다."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"expected": left.astype(np.uint8), "actual": right.astype(np.uint8)}
    if differing is not None:
        pictures["diff"] = differing.astype(np.uint8) * 255
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


class VerifiedCell(IPyNbCell):
    """저장된 출력과 새 출력이 같은지 확인하는 칸."""

    def setup(self):
        """실행하기 전에 저장된 칸이 온전한지 본다."""
        super().setup()
        self.parent.cell = self
        if self.cell.execution_count is None:
            self.raise_cell_error("실행하지 않은 칸입니다. make notebooks로 다시 실행하십시오.")
        if not self.options["check"] or self.options["skip"]:
            self.raise_cell_error("출력을 비교하지 않는 칸은 둘 수 없습니다.")
        if set(self.tolerance) - VERIFY_KEYS or (self.tolerance and not self.tolerance.get("why")):
            self.raise_cell_error(
                "메타데이터 verify에 rtol, atol, pixels와 why(까닭)를 적으십시오."
            )
        if any(output.get("name") == "stderr" for output in self.cell.outputs):
            self.raise_cell_error("저장된 출력에 stderr가 있습니다.")

    @property
    def tolerance(self) -> dict:
        """메타데이터에 적힌 허용 오차."""
        return self.cell.metadata.get("verify", {})

    def compare_outputs(self, test, ref, skip_compare=None):
        """nbval의 비교를 대신한다."""
        root = Path(self.config.rootpath, "_build", "nbval", self.path.stem)
        save = partial(save_images, root / f"cell-{self.cell_num:02d}")
        reason = compare(ref, test, self.tolerance, save=save)
        self.comparison_traceback = [reason]
        return not reason


class VerifiedNotebook(IPyNbFile):
    """칸을 `VerifiedCell`로 모으는 노트북."""

    cell: VerifiedCell

    def collect(self):
        """코드 칸마다 검사 하나를 만든다."""
        for cell in super().collect():
            yield VerifiedCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )

    def setup(self):
        """커널을 띄운다. 실행 기록을 남겨야 `식;`이 출력을 감춘다."""
        super().setup()
        execute = self.kernel.kc.execute
        self.kernel.kc.execute = lambda code, **options: execute(
            code, **(options | {"store_history": True})
        )

    def get_kernel_message(self, timeout=None, stream="iopub"):
        """`clear_output`을 Jupyter처럼 다룬다: 바로, 또는 다음 출력이 올 때 지운다."""
        message = super().get_kernel_message(timeout=timeout, stream=stream)
        kind, outputs = message["msg_type"], self.cell.test_outputs
        if kind == "clear_output":
            self.clear_pending = message["content"]["wait"]
            if not self.clear_pending:
                outputs.clear()
            message["msg_type"] = "comm_clear_output"  # nbval이 지나치는 종류
        elif kind in ("stream", "display_data", "execute_result") and self.clear_pending:
            outputs.clear()
            self.clear_pending = False
        elif kind == "execute_input":
            self.clear_pending = False
        return message


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """nbval이 모은 노트북을 `VerifiedNotebook`으로 바꾼다."""
    collected = yield
    return [
        VerifiedNotebook.from_parent(parent, path=node.path)
        if isinstance(node, IPyNbFile)
        else node
        for node in collected
    ]
