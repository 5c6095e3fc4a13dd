"""꾸러미로 만들어 빈 환경에 설치해도 되는지, 무거운 것을 미리 불러오지 않는지."""

import doctest
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

import cnn_lectures

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


@pytest.mark.parametrize("module", ["", ".exercises", ".layers.pooling"])
def test_examples_in_docstrings_are_true(module):
    result = doctest.testmod(import_module(f"cnn_lectures{module}"))
    assert result.attempted > 0
    assert result.failed == 0


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


def test_first_cell_installs_the_wheel_and_keeps_torch_and_numpy(wheel, tmp_path):
    """Colab에서처럼, torch는 있고 이 패키지만 없는 환경에서 노트북의 첫 칸을 실행한다."""
    venv.create(tmp_path, with_pip=False)
    python = tmp_path / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "cnn_lectures" not in entry.name:
            Path(site, entry.name).symlink_to(entry)
    before = {path.name for path in Path(site).iterdir()}
    notebook = nbformat.read(ROOT / "book" / "10_batch_norm.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    offline = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheel.parent),
        "IPYTHONDIR": str(tmp_path),
    }
    code = f"{cell.source}\nprint(cnn_lectures.__file__)"
    shown = run(python, "-m", "IPython", "-c", code, cwd=tmp_path, env=os.environ | offline)
    assert Path(shown.split()[-1]).is_relative_to(tmp_path)
    assert {path.name for path in Path(site).iterdir()} - before == {
        "cnn_lectures",
        f"cnn_lectures-{cnn_lectures.__version__}.dist-info",
    }


def test_another_version_than_the_notebooks_is_reported():
    cnn_lectures.check_version(cnn_lectures.__version__)
    with pytest.warns(UserWarning, match=r"`pip install cnn-lectures==9\.8\.7`"):
        cnn_lectures.check_version("9.8.7")


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
