"""이 컴퓨터에서 교재를 실행할 수 있는지 살핀다. 무엇이 없거나 상했어도 끝까지 살핀다.

무거운 패키지는 검사마다 그 안에서 불러온다. 그래서 torch가 없어도 나머지를 볼 수 있다.
"""

import contextlib
import importlib
import importlib.util
import io
import platform
import re
import shutil
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

OK, WARNING, PROBLEM = "ok", "warning", "problem"
DISTRIBUTION = "cnn-lectures"
FETCH = "python -m cnn_lectures data"  # 자료를 받는 명령

# 저장된 출력을 만든 판. requirements.txt와 같음을 테스트가 확인한다.
TESTED_PYTHON = "3.11"
TESTED = {
    "torch": "2.14.1",
    "torchvision": "0.29.1",
    "torchinfo": "1.8.0",
    "matplotlib": "3.11.2",
    "pillow": "13.0.0",
    "numpy": "2.4.6",
    "ipython": "9.18.1",
    "ipykernel": "7.4.0",
    "tqdm": "4.70.1",
    "d2l": "0.17.0",
}
MODULES = {"pillow": "PIL", "ipython": "IPython"}  # 패키지와 이름이 다른 모듈
PIXELS = ("matplotlib", "pillow")  # 판이 다르면 그림이 화소까지 같지는 않다

GIB = 2**30
# (이보다 적으면 문제, 이보다 적으면 주의). 가장 큰 모형의 가중치가 0.53 GiB이고, 학습에는 몇 배가
# 든다. 디스크에는 자료와 AlexNet의 가중치를 둔다.
MEMORY_NEEDED = (1 * GIB, 3 * GIB)
DISK_NEEDED = (GIB // 4, 1 * GIB)
MODELS_MEMORY = 1.5 * GIB  # 모형을 한 번씩 계산할 때 쓰는 것은 1.2 GiB쯤이다


class Finding(NamedTuple):
    """살핀 것 하나.

    Attributes
    ----------
    name : 무엇을 살폈는지
    state : `"ok"`, `"warning"`, `"problem"` 가운데 하나
    found : 본 것
    advice : 할 일. 없으면 빈 글
    """

    name: str
    state: str
    found: str
    advice: str = ""


def diagnose() -> Iterator[Finding]:
    """모든 검사를 차례로 하며 그때그때 내놓는다. 예외는 `"problem"`이 된다."""
    for name, check in CHECKS.items():
        yield from examine(name, check)


def examine(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """검사 하나를 한다. 검사가 찍는 글과 경고는 버린다."""
    findings = []
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for finding in check():  # 도중에 오류가 나도 앞서 본 것은 남긴다
                findings.append(finding)
        except ModuleNotFoundError as problem:
            found = f"{problem.name} 패키지가 없어 살피지 못했습니다"
            findings.append(Finding(name, PROBLEM, found, install(problem.name or DISTRIBUTION)))
        except Exception as problem:
            found = f"살피다가 오류가 났습니다 ({type(problem).__name__}: {problem})"
            findings.append(Finding(name, PROBLEM, found, "이 글과 함께 알려 주십시오."))
    return findings


def install(*requirements: str) -> str:
    """설치하는 명령을 적은 조언."""
    quoted = " ".join(f'"{item}"' if set(item) & set("<>=[") else item for item in requirements)
    return f"`{sys.executable} -m pip install {quoted}`로 설치하십시오."


def release(version: str) -> tuple[int, ...]:
    """`2.14.1+cu126`에서 견줄 수 있는 (2, 14, 1)을 얻는다."""
    return tuple(map(int, re.match(r"\d+(?:\.\d+)*", version)[0].split(".")))


def minimums() -> dict[str, str]:
    """패키지가 요구하는 가장 낮은 판. 설치하지 않고 폴더에서 실행하면 비어 있다."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found = (re.fullmatch(r"([\w.-]+?) *>= *([\d.]+)", text) for text in requirements)
    return {match[1].lower(): match[2] for match in found if match}


def check_python() -> Iterator[Finding]:
    """Python의 판."""
    version = platform.python_version()
    found = f"{version} (책은 {TESTED_PYTHON}에서 확인했습니다)"
    try:
        required = metadata.metadata(DISTRIBUTION)["Requires-Python"].removeprefix(">=")
    except metadata.PackageNotFoundError:
        required = TESTED_PYTHON
    if release(version) < release(required):
        advice = f"Python {required} 이상을 설치하십시오."
        yield Finding("Python", PROBLEM, found, advice)
    else:
        yield Finding("Python", OK, found)


def check_packages() -> Iterator[Finding]:
    """이 패키지와, 없어서는 안 되는 패키지의 판."""
    required = minimums()
    if required:
        yield Finding(DISTRIBUTION, OK, metadata.version(DISTRIBUTION))
    else:
        advice = "내려받은 폴더에서 " + install("-e .")
        yield Finding(DISTRIBUTION, WARNING, "설치하지 않고 폴더에서 실행합니다", advice)
    for name in [*(name for name in TESTED if name in required), "pillow"]:
        yield package(name, required.get(name))


def package(name: str, minimum: str | None) -> Finding:
    """패키지 하나의 판을 `minimum`, `TESTED`와 견준다."""
    requirement = f"{name}>={minimum}" if minimum else name
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, PROBLEM, "설치되어 있지 않습니다", install(requirement))
    if minimum and release(version) < release(minimum):
        found = f"{version}: {minimum} 이상이어야 합니다"
        return Finding(name, PROBLEM, found, install(requirement))
    try:
        importlib.import_module(MODULES.get(name, name))
    except Exception as problem:
        found = f"{version}: 불러오지 못했습니다 ({type(problem).__name__}: {problem})"
        return Finding(name, PROBLEM, found, install(f"--force-reinstall {name}"))
    if release(version) == release(TESTED[name]):
        return Finding(name, OK, version)
    found = f"{version} (책은 {TESTED[name]}에서 확인했습니다)"
    if name in PIXELS:
        advice = "그대로 써도 됩니다. 그림이 책의 것과 화소까지 같지는 않습니다."
        return Finding(name, WARNING, found, advice)
    return Finding(name, OK, found)


def check_kernel() -> Iterator[Finding]:
    """노트북을 실행하는 커널."""
    finding = package("ipykernel", None)
    if finding.state == PROBLEM:
        advice = "노트북을 열려면 " + install("ipykernel", "jupyterlab")
        finding = finding._replace(state=WARNING, advice=advice)
    yield finding


def check_d2l() -> Iterator[Finding]:
    """비교 실험에만 쓰는 d2l."""
    if importlib.util.find_spec("d2l") is None:
        advice = "책의 비교 실험까지 하려면 " + install(f"d2l=={TESTED['d2l']}")
        yield Finding("d2l", WARNING, "설치되어 있지 않습니다", advice)
        return
    from cnn_lectures.train import d2l_torch

    try:
        d2l_torch()
        version = metadata.version("d2l")
    except Exception as problem:
        found = f"불러오지 못했습니다 ({type(problem).__name__}: {problem})"
        yield Finding("d2l", PROBLEM, found, install(f"d2l=={TESTED['d2l']}"))
        return
    if version == TESTED["d2l"]:
        yield Finding("d2l", OK, version)
    else:
        found = f"{version} (책은 {TESTED['d2l']}에서 확인했습니다)"
        yield Finding("d2l", WARNING, found, install(f"d2l=={TESTED['d2l']}"))


def check_devices() -> Iterator[Finding]:
    """GPU와 드라이버."""
    import torch

    driver = nvidia_driver()
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.cuda.get_device_properties(index)
        found = f"{device.name}, {device.total_memory / GIB:.1f} GiB, CUDA {torch.version.cuda}"
        yield Finding("GPU", OK, found + (f", 드라이버 {driver}" if driver else ""))
    if torch.cuda.is_available():
        return
    if torch.backends.mps.is_available():
        advice = '`fit`에 `device="mps"`를 주면 씁니다. 주지 않으면 CPU로 돌립니다.'
        yield Finding("GPU", OK, f"Apple GPU (MPS), {platform.processor()}", advice)
    elif driver:
        found = f"NVIDIA 드라이버({driver})는 있는데 이 torch({torch.__version__})가 쓰지 못합니다"
        advice = (
            "CPU로 돌립니다. GPU를 쓰려면 https://pytorch.org 의 안내대로 torch를 설치하십시오."
        )
        yield Finding("GPU", WARNING, found, advice)
    else:
        yield Finding("GPU", OK, f"없음: CPU로 돌립니다 (스레드 {torch.get_num_threads()}개)")


def nvidia_driver() -> str:
    """NVIDIA 드라이버의 판. 없으면 빈 글."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return shown.stdout.strip().partition("\n")[0]


def check_data() -> Iterator[Finding]:
    """Fashion-MNIST. 내려받지는 않는다."""
    from cnn_lectures import data

    chosen = data.chosen_folder()
    folders, problems = {}, []
    for name in data.FILES:
        try:
            path, _ = data.search(name)
            folders[path.parent] = None
        except data.DataError as problem:
            problems.append((name, problem))
    if not problems:
        found = f"{', '.join(map(str, folders))} (네 파일의 SHA-256이 맞습니다)"
        yield Finding("자료", OK, found)
    elif chosen:
        yield Finding("자료", PROBLEM, str(problems[0][1]), f"`{FETCH}`로도 받습니다.")
    else:
        found = f"쓸 수 없는 파일 {len(problems)}개 ({', '.join(name for name, _ in problems)})"
        advice = f"처음 쓸 때 내려받습니다. 미리 받으려면 `{FETCH}`를 실행하십시오."
        yield Finding("자료", WARNING, found, advice)


def check_font() -> Iterator[Finding]:
    """그림에 쓰는 한글 글꼴."""
    from matplotlib.ft2font import FT2Font

    from cnn_lectures.plots import FONT_FILE

    again = "패키지를 다시 설치하십시오. " + install("--force-reinstall --no-deps " + DISTRIBUTION)
    if not FONT_FILE.exists():
        yield Finding("글꼴", PROBLEM, f"{FONT_FILE}: 파일이 없습니다", again)
        return
    try:
        font = FT2Font(str(FONT_FILE))
    except RuntimeError as problem:
        yield Finding("글꼴", PROBLEM, f"{FONT_FILE}: 읽을 수 없습니다 ({problem})", again)
        return
    if font.get_char_index(ord("가")):
        yield Finding("글꼴", OK, f"{font.family_name} (한글이 들어 있습니다)")
    else:
        yield Finding("글꼴", PROBLEM, f"{font.family_name}: 한글이 없습니다", again)


def check_disk() -> Iterator[Finding]:
    """자료를 둘 곳에 남은 디스크."""
    from cnn_lectures.data import cache_folder

    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    yield room("디스크", free, DISK_NEEDED, f"{folder}에 남은", "필요 없는 파일을 지우십시오.")


def check_memory() -> Iterator[Finding]:
    """지금 쓸 수 있는 메모리."""
    free = free_memory()
    if free is None:
        yield Finding(
            "메모리", OK, f"알 수 없습니다 ({MEMORY_NEEDED[1] / GIB:.0f} GiB면 넉넉합니다)"
        )
        return
    advice = "다른 프로그램이나 노트북의 커널을 끄십시오."
    yield room("메모리", free, MEMORY_NEEDED, "쓸 수 있는", advice)


def room(name: str, free: int, needed: tuple[int, int], words: str, advice: str) -> Finding:
    """남은 양을 필요한 양과 견준다."""
    least, enough = needed
    found = f"{words} {free / GIB:.1f} GiB ({enough / GIB:g} GiB면 넉넉합니다)"
    if free >= enough:
        return Finding(name, OK, found)
    return Finding(name, WARNING if free >= least else PROBLEM, found, advice)


def free_memory() -> int | None:
    """쓸 수 있는 메모리의 바이트. 알 길이 없으면 None."""
    with contextlib.suppress(ImportError):  # ipykernel이 함께 설치한다
        import psutil

        return psutil.virtual_memory().available
    with contextlib.suppress(OSError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(re.search(r"MemAvailable: +(\d+) kB", text)[1]) * 1024
    return None


def check_models() -> Iterator[Finding]:
    """모든 모형을 장치마다 한 번씩 계산하여 책의 수와 견준다."""
    free = free_memory()
    if free is not None and free < MODELS_MEMORY:
        found = f"메모리가 {MODELS_MEMORY / GIB:g} GiB보다 적게 남아 살피지 않았습니다"
        yield Finding("모형", WARNING, found, "메모리를 비우고 다시 실행하십시오.")
        return
    import torch

    from cnn_lectures import reference
    from cnn_lectures.train import one_thread

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    elif torch.backends.mps.is_available():
        devices.append("mps")
    numbers, on_cpu = reference.fixed_numbers(), {}
    with one_thread():
        for device in devices:
            yield from examine(
                f"모형({device})",
                lambda device=device: check_models_on(device, numbers.to(device), on_cpu),
            )


def check_models_on(device: str, pool, on_cpu: dict) -> Iterator[Finding]:
    """장치 하나에서 모든 모형을 계산한다. CPU의 로짓은 `on_cpu`에 남긴다."""
    from cnn_lectures import reference

    wrong = []
    for name in reference.ANSWERS:
        try:
            parameters, logits = reference.fixed_logits(name, pool)
            problem = reference.discrepancy(name, parameters, logits, on_cpu.get(name))
            on_cpu.setdefault(name, logits)
        except Exception as caught:
            problem = f"{type(caught).__name__}: {caught}"
        if problem:
            wrong.append(f"{name}: {problem}")
    title, against = f"모형({device})", "책의 수" if device == "cpu" else "책의 수와 CPU의 로짓"
    if not wrong:
        count = len(reference.ANSWERS)
        yield Finding(title, OK, f"{count}개의 매개변수 수와 로짓이 {against}에 맞습니다")
        return
    shown = "; ".join(wrong[:3]) + (f"; … 모두 {len(wrong)}개" if wrong[3:] else "")
    advice = "torch와 cnn-lectures를 다시 설치하고, 그래도 같으면 이 글과 함께 알려 주십시오."
    if device != "cpu":
        advice = '드라이버와 torch의 판을 맞추십시오. 그동안은 `device="cpu"`로 돌리십시오.'
    yield Finding(title, PROBLEM, shown, advice)


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "Python": check_python,
    "패키지": check_packages,
    "Jupyter": check_kernel,
    "d2l": check_d2l,
    "GPU": check_devices,
    "메모리": check_memory,
    "디스크": check_disk,
    "글꼴": check_font,
    "자료": check_data,
    "모형": check_models,
}

MARKS = {OK: ("✅", "괜찮음"), WARNING: ("⚠️", "주의"), PROBLEM: ("❌", "문제")}
NAME_WIDTH = 12


def printable(text: str) -> bool:
    """`text`를 표준 출력에 그대로 찍을 수 있는지. Windows의 cp949 콘솔에는 그림 글자가 없다."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def width(text: str) -> int:
    """터미널에서 차지하는 칸 수. 한글과 그림 글자는 두 칸이다."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide  # ⚠️의 둘째 글자(U+FE0F)는 첫 글자를 두 칸으로 만든다


def padded(text: str, columns: int) -> str:
    """`columns`칸이 되도록 오른쪽에 빈칸을 둔 글."""
    return text + " " * (columns - width(text))


def describe(finding: Finding) -> str:
    """살핀 것 하나를 적은 줄. 할 일이 있으면 다음 줄에 적는다."""
    mark, word = MARKS[finding.state]
    state = f"{mark} {word}" if all(printable(mark) for mark, _ in MARKS.values()) else word
    start = f"{padded(state, width(state) - width(word) + 6)}  "
    found = " ".join(finding.found.split())  # 예외의 글은 여러 줄일 수 있다
    lines = [f"{start}{padded(finding.name, NAME_WIDTH)}  {found}"]
    if finding.advice:
        lines.append(f"{' ' * (width(start) + NAME_WIDTH)}  → {finding.advice}")
    return "\n".join(lines)


def conclusion(findings: Sequence[Finding]) -> str:
    """마지막 한 줄."""
    states = [finding.state for finding in findings]
    problems, warned = states.count(PROBLEM), states.count(WARNING)
    if problems:
        return f"고칠 것이 {problems}가지 있습니다."
    tail = f" 주의할 것이 {warned}가지 있습니다." if warned else ""
    return f"이 컴퓨터에서 교재를 실행할 수 있습니다.{tail}"
