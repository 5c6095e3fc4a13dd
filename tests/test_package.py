"""꾸러미로 만들어 빈 환경에 설치해도 되는지, 무거운 것을 미리 불러오지 않는지."""

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, text=True, **options
    ).stdout


def test_import_loads_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import cnn_lectures;"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    assert run(sys.executable, "-c", code).strip() == "['cnn_lectures']"


@pytest.mark.parametrize("module", ["layers.convolution", "plots", "notebook"])
def test_light_modules_do_not_load_torch(module):
    code = f"import sys, cnn_lectures.{module}; print('torch' in sys.modules)"
    assert run(sys.executable, "-c", code).strip() == "False"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT,
        env=environment,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_works_in_an_empty_environment(wheel, tmp_path):
    venv.create(tmp_path, with_pip=False)
    python = tmp_path / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
    code = (
        "import cnn_lectures, pathlib; folder = pathlib.Path(cnn_lectures.__file__).parent;"
        f"print(cnn_lectures.__version__, folder.is_relative_to({str(tmp_path)!r}),"
        " *sorted(path.name for path in (folder / 'fonts').iterdir()))"
    )
    shown = run(python, "-c", code, cwd=tmp_path).split()
    assert shown == ["0.1.0", "True", "OFL.txt", "Pretendard-Regular.otf"]


def test_wheel_holds_only_the_package(wheel):
    names = run(sys.executable, "-m", "zipfile", "-l", wheel).splitlines()[1:]
    roots = {line.split("/")[0] for line in names}
    assert roots == {"cnn_lectures", "cnn_lectures-0.1.0.dist-info"}


def test_dependencies_have_lower_bounds_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    for requirement in project["dependencies"]:
        assert ">=" in requirement
        assert "<" not in requirement.replace(">=", "")
        assert "==" not in requirement
