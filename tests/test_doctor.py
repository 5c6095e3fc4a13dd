"""실행 환경을 살피는 일. 없거나 상한 것은 흉내 내어 만든다."""

import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import pytest
import torch

from cnn_lectures import data, doctor, plots, reference, train
from cnn_lectures.__main__ import main
from cnn_lectures.doctor import OK, PROBLEM, WARNING, Finding

ROOT = Path(__file__).parents[1]
PSUTIL = "psutil"


def find(check) -> dict[str, Finding]:
    """검사 하나가 본 것을 이름마다 모은다."""
    return {finding.name: finding for finding in doctor.examine("검사", check)}


@pytest.fixture
def versions(monkeypatch):
    """설치된 판을 바꾸는 사전. None이면 설치되지 않은 셈 친다."""
    changed, real = {}, metadata.version

    def version(name):
        if changed.get(name, "") is None:
            raise metadata.PackageNotFoundError(name)
        return changed.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", version)
    return changed


@pytest.fixture
def few_models(monkeypatch):
    """큰 모형을 뺀다."""
    numbers = reference.fixed_numbers(100_000)
    answers = {name: reference.ANSWERS[name] for name in ("lenet5", "nin_small")}
    monkeypatch.setattr(reference, "fixed_numbers", lambda: numbers)
    monkeypatch.setattr(reference, "ANSWERS", answers)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return answers


def test_whole_report_as_json():
    command = [sys.executable, "-m", "cnn_lectures", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert done.returncode == 0
    assert report["ok"] is True
    names = [finding["name"] for finding in report["findings"]]
    assert len(names) >= 18
    assert {"Python", "cnn-lectures", "torch", "d2l", "GPU", "자료", "모형(cpu)"} <= set(names)
    for finding in report["findings"]:
        assert set(finding) == {"name", "state", "found", "advice"}
        assert finding["state"] in (OK, WARNING)
        assert finding["state"] == OK or finding["advice"]
    models = next(finding for finding in report["findings"] if finding["name"] == "모형(cpu)")
    assert models["found"] == "36개의 매개변수 수와 로짓이 책의 수에 맞습니다"


def test_report_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from cnn_lectures.__main__ import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert re.search(r"❌ 문제    torch  .*불러오지 못했습니다", done.stdout)
    assert re.search(r"❌ 문제    모형  .*torch 패키지가 없어", done.stdout)
    for name in ("Python", "numpy", "메모리", "글꼴"):
        assert re.search(rf"✅ 괜찮음  {name}", done.stdout)
    assert re.fullmatch(r"고칠 것이 \d+가지 있습니다\.", done.stdout.splitlines()[-1])


def test_tested_versions_are_those_of_the_requirements():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, flags=re.MULTILINE))
    assert {name: pinned[name] for name in doctor.TESTED} == doctor.TESTED
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert f'python-version: "{doctor.TESTED_PYTHON}"' in workflow


def test_minimums_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    expected = dict(text.split(">=") for text in project["dependencies"])
    assert doctor.minimums() == expected
    assert set(expected) <= set(doctor.TESTED)


@pytest.mark.parametrize(
    ("version", "state", "advice"),
    [
        ("3.10.14", PROBLEM, "Python 3.11 이상을 설치하십시오."),
        ("3.11.0", OK, ""),
        ("3.14.1", OK, ""),
    ],
)
def test_python(monkeypatch, version, state, advice):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: version)
    found = f"{version} (책은 3.11에서 확인했습니다)"
    assert find(doctor.check_python)["Python"] == ("Python", state, found, advice)


@pytest.mark.parametrize(
    ("name", "version", "state", "found", "advice"),
    [
        ("torch", "2.3.1", PROBLEM, "2.3.1: 2.4 이상이어야", '-m pip install "torch>=2.4"`로'),
        ("torch", None, PROBLEM, "설치되어 있지 않습니다", '"torch>=2.4"'),
        ("torch", "2.14.1+cu126", OK, "2.14.1+cu126", ""),
        ("torch", "2.15.0", OK, "2.15.0 (책은 2.14.1에서 확인했습니다)", ""),
        ("torchvision", "0.18.1", PROBLEM, "0.19 이상", "torchvision>=0.19"),
        ("numpy", "1.25", PROBLEM, "1.26 이상", "numpy>=1.26"),
        ("matplotlib", "3.10.0", WARNING, "책은 3.11.2에서", "화소까지 같지는 않습니다"),
        ("pillow", "12.0", WARNING, "책은 13.0.0에서", "화소까지 같지는 않습니다"),
        ("pillow", None, PROBLEM, "설치되어 있지 않습니다", "pip install pillow"),
    ],
)
def test_package_versions(versions, name, version, state, found, advice):
    versions[name] = version
    findings = find(doctor.check_packages)
    finding = findings.pop(name)
    assert finding.state == state
    assert found in finding.found
    assert advice in finding.advice
    assert bool(finding.advice) is (state != OK)
    assert len(findings) == 8
    assert {other.state for other in findings.values()} == {OK}


def test_package_that_cannot_be_imported(monkeypatch):
    def broken(name):
        if name == "torchinfo":
            raise OSError("libtorch.so: 없음")
        return real(name)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", broken)
    finding = find(doctor.check_packages)["torchinfo"]
    assert finding.state == PROBLEM
    assert "불러오지 못했습니다 (OSError: libtorch.so: 없음)" in finding.found
    assert "--force-reinstall torchinfo" in finding.advice


def test_running_from_a_folder(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    monkeypatch.setattr(metadata, "metadata", missing)
    finding = find(doctor.check_packages)["cnn-lectures"]
    assert finding.state == WARNING
    assert "pip install -e ." in finding.advice
    assert find(doctor.check_python)["Python"].state == OK


def test_missing_kernel(versions):
    assert find(doctor.check_kernel)["ipykernel"].state == OK
    versions["ipykernel"] = None
    finding = find(doctor.check_kernel)["ipykernel"]
    assert finding.state == WARNING
    assert "pip install ipykernel jupyterlab" in finding.advice


def test_d2l(monkeypatch, versions):
    monkeypatch.setattr(train, "d2l_torch", lambda: None)
    assert find(doctor.check_d2l)["d2l"] == ("d2l", OK, "0.17.0", "")
    versions["d2l"] = "1.0.3"
    finding = find(doctor.check_d2l)["d2l"]
    assert finding.state == WARNING
    assert "1.0.3" in finding.found
    assert '"d2l==0.17.0"' in finding.advice


def test_broken_d2l(monkeypatch):
    def broken():
        raise ImportError("cannot import name 'set_matplotlib_formats'")

    monkeypatch.setattr(train, "d2l_torch", broken)
    finding = find(doctor.check_d2l)["d2l"]
    assert finding.state == PROBLEM
    assert "ImportError: cannot import name" in finding.found
    assert '"d2l==0.17.0"' in finding.advice


def test_missing_d2l(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    finding = find(doctor.check_d2l)["d2l"]
    assert finding.state == WARNING
    assert "비교 실험" in finding.advice


@pytest.fixture
def devices(monkeypatch):
    """장치를 흉내 내는 함수."""

    def pretend(*, cuda=0, mps=False, driver=""):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        gpu = SimpleNamespace(name="H100", total_memory=80 * doctor.GIB)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: gpu)
        monkeypatch.setattr(torch.version, "cuda", "12.8")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(doctor, "nvidia_driver", lambda: driver)
        return doctor.examine("GPU", doctor.check_devices)

    return pretend


def test_devices(devices):
    findings = devices(cuda=2, driver="570.1")
    assert findings == [Finding("GPU", OK, "H100, 80.0 GiB, CUDA 12.8, 드라이버 570.1")] * 2
    (finding,) = devices()
    assert finding.state == OK
    assert finding.found.startswith("없음: CPU로 돌립니다")
    (finding,) = devices(mps=True)
    assert "MPS" in finding.found
    assert 'device="mps"' in finding.advice
    (finding,) = devices(driver="570.1")
    assert finding.state == WARNING
    assert "NVIDIA 드라이버(570.1)는 있는데" in finding.found
    assert "https://pytorch.org" in finding.advice


def test_nvidia_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.nvidia_driver() == ""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 570.86\necho 570.86\n", encoding="ascii")
    program.chmod(0o755)
    assert doctor.nvidia_driver() == "570.86"
    program.write_text("#!/bin/sh\necho failed\nexit 9\n", encoding="ascii")
    assert doctor.nvidia_driver() == ""


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """자료가 아무 데도 없고, 내려받으면 실패하는 곳."""

    def forbidden(*_):
        raise AssertionError("내려받으려고 했다")

    monkeypatch.delenv(data.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "DEBIAN_FOLDER", tmp_path / "nowhere")
    monkeypatch.setattr(data, "download", forbidden)
    return tmp_path


def test_data_is_found_and_verified():
    finding = find(doctor.check_data)["자료"]
    assert finding.state == OK
    assert "SHA-256이 맞습니다" in finding.found


def test_missing_data(no_data):
    finding = find(doctor.check_data)["자료"]
    assert finding.state == WARNING
    assert "쓸 수 없는 파일 4개" in finding.found
    assert "python -m cnn_lectures data" in finding.advice
    assert not (no_data / "cache").exists()


def test_damaged_data(no_data):
    folder = data.cache_folder()
    folder.mkdir(parents=True)
    for name in data.FILES:
        (folder / name).write_bytes(b"damaged")
    assert find(doctor.check_data)["자료"].state == WARNING


def test_chosen_folder_without_data(no_data, monkeypatch):
    monkeypatch.setenv(data.ENVIRONMENT_VARIABLE, str(no_data / "usb"))
    finding = find(doctor.check_data)["자료"]
    assert finding.state == PROBLEM
    assert f"{no_data / 'usb'}" in finding.found
    assert "python -m cnn_lectures data" in finding.advice


def test_font(monkeypatch, tmp_path):
    assert find(doctor.check_font)["글꼴"].state == OK
    latin = Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    broken = tmp_path / "broken.otf"
    broken.write_bytes(b"not a font")
    for path, reason in (
        (tmp_path / "none.otf", "파일이 없습니다"),
        (broken, "읽을 수 없습니다"),
        (latin, "한글이 없습니다"),
    ):
        monkeypatch.setattr(plots, "FONT_FILE", path)
        finding = find(doctor.check_font)["글꼴"]
        assert finding.state == PROBLEM
        assert reason in finding.found
        assert "다시 설치하십시오" in finding.advice


@pytest.mark.parametrize(
    ("gib", "state"), [(0.2, PROBLEM), (0.25, WARNING), (0.9, WARNING), (1, OK), (50, OK)]
)
def test_disk(monkeypatch, tmp_path, gib, state):
    asked = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "yet"))
    usage = SimpleNamespace(free=int(gib * doctor.GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or usage)
    finding = find(doctor.check_disk)["디스크"]
    assert asked == [tmp_path]
    assert finding.state == state
    assert f"{gib:.1f} GiB" in finding.found
    assert bool(finding.advice) is (state != OK)


@pytest.mark.parametrize(("gib", "state"), [(0.5, PROBLEM), (1, WARNING), (2.9, WARNING), (3, OK)])
def test_memory(monkeypatch, gib, state):
    monkeypatch.setattr(doctor, "free_memory", lambda: int(gib * doctor.GIB))
    finding = find(doctor.check_memory)["메모리"]
    assert finding.state == state
    assert bool(finding.advice) is (state != OK)


def test_unknown_memory(monkeypatch):
    monkeypatch.setattr(doctor, "free_memory", lambda: None)
    finding = find(doctor.check_memory)["메모리"]
    assert finding.state == OK
    assert "알 수 없습니다" in finding.found


def test_free_memory_without_psutil(monkeypatch):
    psutil = pytest.importorskip(PSUTIL)
    known = psutil.virtual_memory().available
    monkeypatch.setitem(sys.modules, PSUTIL, None)
    assert abs(doctor.free_memory() - known) < known / 2

    def unreadable(path, **_):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert doctor.free_memory() is None


def test_models(few_models):
    finding = find(doctor.check_models)["모형(cpu)"]
    assert finding.state == OK
    assert finding.found == "2개의 매개변수 수와 로짓이 책의 수에 맞습니다"


def test_wrong_number_of_parameters(few_models):
    few_models["lenet5"] = few_models["lenet5"]._replace(parameters=61_705)
    finding = find(doctor.check_models)["모형(cpu)"]
    assert finding.state == PROBLEM
    assert finding.found == "lenet5: 매개변수가 61,706개입니다 (책은 61,705개)"
    assert "다시 설치하고" in finding.advice


def test_failing_models_do_not_hide_one_another(few_models):
    few_models["nin_small"] = few_models["nin_small"]._replace(largest=0.5)
    for number in range(3):
        few_models[f"absent{number}"] = few_models["lenet5"]
    finding = find(doctor.check_models)["모형(cpu)"]
    assert finding.state == PROBLEM
    assert finding.found.startswith("nin_small: 가장 큰 로짓이 0.49451입니다 (기록은 0.5)")
    assert "absent0: ValueError: `name`" in finding.found
    assert finding.found.endswith("; … 모두 4개")


def test_device_that_differs_from_the_cpu(few_models):
    on_cpu, numbers = {}, reference.fixed_numbers()
    (good,) = doctor.check_models_on("cpu", numbers, on_cpu)
    (same,) = doctor.check_models_on("cuda:0", numbers, on_cpu)
    assert good.state == same.state == OK
    assert "CPU의 로짓에" in same.found
    on_cpu["lenet5"] = on_cpu["lenet5"].roll(1, dims=1)
    (finding,) = doctor.check_models_on("cuda:0", numbers, on_cpu)
    assert finding.name == "모형(cuda:0)"
    assert finding.state == PROBLEM
    assert "lenet5: 로짓이 CPU와" in finding.found
    assert 'device="cpu"' in finding.advice


def test_device_that_cannot_hold_the_numbers(few_models, monkeypatch):
    class Numbers:
        def to(self, device):
            if device == "cpu":
                return numbers
            raise torch.OutOfMemoryError("CUDA out of memory")

    numbers = reference.fixed_numbers()
    monkeypatch.setattr(reference, "fixed_numbers", Numbers)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    findings = find(doctor.check_models)
    assert findings["모형(cpu)"].state == OK
    assert findings["모형(cuda:0)"].state == PROBLEM
    assert "CUDA out of memory" in findings["모형(cuda:0)"].found


def test_models_are_left_out_where_memory_is_scarce(monkeypatch):
    monkeypatch.setattr(doctor, "free_memory", lambda: doctor.GIB)
    finding = find(doctor.check_models)["모형"]
    assert finding.state == WARNING
    assert "메모리를 비우고" in finding.advice


def test_failing_check_becomes_a_problem(capsys):
    def check():
        print("시끄러운 출력")
        warnings.warn("시끄러운 경고", stacklevel=1)
        yield Finding("처음", OK, "보았음")
        raise ZeroDivisionError("뜻밖의 일")

    first, second = doctor.examine("이름", check)
    assert first == Finding("처음", OK, "보았음")
    assert second.name == "이름"
    assert second.state == PROBLEM
    assert "ZeroDivisionError: 뜻밖의 일" in second.found
    assert "알려 주십시오" in second.advice
    assert capsys.readouterr() == ("", "")


def test_check_that_misses_a_package():
    def check():
        raise ModuleNotFoundError("No module named 'thing'", name="thing")
        yield

    (finding,) = doctor.examine("이름", check)
    assert finding.state == PROBLEM
    assert finding.found == "thing 패키지가 없어 살피지 못했습니다"
    assert "pip install thing`로" in finding.advice


CASES = {
    "good": [Finding("하나", OK, "보임")],
    "warned": [Finding("하나", OK, "보임"), Finding("two", WARNING, "보임", "할 일")],
    "bad": [Finding("하나", PROBLEM, "보임", "할 일"), Finding("two", PROBLEM, "보임", "할 일")],
}


@pytest.mark.parametrize(
    ("case", "code", "last"),
    [
        ("good", 0, "이 컴퓨터에서 교재를 실행할 수 있습니다."),
        ("warned", 0, "이 컴퓨터에서 교재를 실행할 수 있습니다. 주의할 것이 1가지 있습니다."),
        ("bad", 1, "고칠 것이 2가지 있습니다."),
    ],
)
def test_exit_code_and_last_line(monkeypatch, capsys, case, code, last):
    monkeypatch.setattr(doctor, "CHECKS", {"검사": lambda: iter(CASES[case])})
    assert main(["doctor"]) == code
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == last
    assert err == ""
    assert "\x1b" not in out
    assert main(["doctor", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (code == 0)
    assert [Finding(**finding) for finding in report["findings"]] == CASES[case]


def test_lines_are_aligned_by_display_width():
    findings = [
        Finding("torch", OK, "끝"),
        Finding("디스크", WARNING, "끝", "할 일"),
        Finding("모형(cpu)", PROBLEM, "끝", "할 일"),
    ]
    lines = [doctor.describe(finding).splitlines() for finding in findings]
    assert lines[0] == ["✅ 괜찮음  torch         끝"]
    assert lines[1] == ["⚠️ 주의    디스크        끝", "                         → 할 일"]
    assert doctor.describe(Finding("torch", OK, "두\n  줄")).endswith("두 줄")
    columns = {doctor.width(line[0].removesuffix("끝")) for line in lines}
    assert columns == {25}
    assert doctor.width("한a✅⚠️") == 2 + 1 + 2 + 2


def test_console_without_emoji(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp949", write_through=True)
    monkeypatch.setattr(sys, "stdout", console)
    checks = {"검사": lambda: iter([Finding("이름", WARNING, "✅ 글", "할 일")])}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert main(["doctor"]) == 0
    shown = console.buffer.getvalue().decode("cp949").splitlines()
    assert shown[0] == r"주의    이름          \u2705 글"


def test_readme_names_the_command():
    assert "python -m cnn_lectures doctor" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_package_without_dependencies_still_reports(tmp_path):
    """torch도 matplotlib도 없는 환경에서 첫 진단을 받는다."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from cnn_lectures.__main__ import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT)],
        capture_output=True, encoding="utf-8", check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == ""
    assert re.search(r"torch +설치되어 있지 않습니다", done.stdout)
    assert "고칠 것이" in done.stdout
