"""명령줄의 도움말, 오류 글, 종료 코드. 명령이 하는 일은 그 모듈의 테스트가 본다."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnn_lectures
from cnn_lectures import __main__ as command_line
from cnn_lectures import data, doctor, recipes
from cnn_lectures.__main__ import COMMANDS, Command, main
from cnn_lectures.checkpoint import CheckpointError

ROOT = Path(__file__).parents[1]
# argparse와 Python의 영어 글
ENGLISH = re.compile(
    r"usage|options|positional|optional|show this|argument|error|Traceback|invalid"
)


def stopped(capsys, *arguments) -> tuple[int, str, str]:
    """argparse가 끝낸 (종료 코드, 표준 출력, 표준 오류)."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code, *capsys.readouterr()


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_is_korean_and_shows_examples(capsys, arguments):
    code, out, err = stopped(capsys, *arguments, "--help")
    assert code == 0
    assert err == ""
    assert not ENGLISH.search(out)
    program = " ".join(["python -m cnn_lectures", *arguments])
    assert out.startswith(f"사용법: {program} ")
    assert "이 도움말을 보인다" in out
    examples = out.partition("\n예:\n")[2].splitlines()
    shown = COMMANDS[arguments[0]].examples if arguments else COMMANDS
    assert len(examples) == len(shown)
    assert all(line.startswith(f"  {program}") for line in examples)
    assert len({line.rindex("  ") for line in examples}) == 1  # 뜻이 한 줄로 늘어선다
    if arguments:
        assert f"\n\n{COMMANDS[arguments[0]].summary}.\n" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_can_be_parsed(name):
    for line, _ in COMMANDS[name].examples:
        parsed = command_line.build_parser().parse_args([name, *line.split()])
        assert parsed.run is COMMANDS[name].run


def test_help_names_every_command_and_does_not_load_torch():
    code = (
        "import sys; from cnn_lectures.__main__ import main\n"
        "try: main(['--help'])\nfinally: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "False"
    for name, command in COMMANDS.items():
        assert re.search(rf"^    {name} +{re.escape(command.summary)}$", done.stdout, re.MULTILINE)


def test_version(capsys):
    assert stopped(capsys, "--version") == (0, f"cnn-lectures {cnn_lectures.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "빠진 인자가 있습니다: 명령"),
        (["doctr"], "`command`: doctor 가운데 하나여야 합니다 (받은 값: 'doctr')"),
        (["x"], "`command`: doctor, data, train, quiz 가운데 하나여야 합니다 (받은 값: 'x')"),
        (["doctor", "--jsn"], "모르는 인자입니다: --jsn"),
        (["doctor", "--json=1"], "`--json`: 값을 받지 않습니다 (받은 값: '1')"),
        (["data", "--folder"], "`--folder`: 값을 하나 적어야 합니다"),
        (["data", "--fold", "x"], "모르는 인자입니다: --fold x"),
        (["train"], "빠진 인자가 있습니다: model"),
        (["train", "resnet_50"], "`model`: resnet50, "),
        (["train", "lenet5", "--epochs", "0"], "`epochs`: 1 이상의 정수여야 합니다 (받은 값: 0)"),
        (
            ["train", "lenet5", "--epochs", "2.5"],
            "`epochs`: 1 이상의 정수여야 합니다 (받은 값: '2.5')",
        ),
        (["train", "lenet5", "--images", "-3"], "`images`: 1 이상의 정수여야 합니다 (받은 값: -3)"),
        (["train", "lenet5", "--batch-size", "x"], "`batch-size`: 1 이상의 정수여야 합니다"),
        (["train", "lenet5", "--seed", "-1"], "`seed`: 0 이상의 정수여야 합니다 (받은 값: -1)"),
        (["train", "lenet5", "--max-lr", "x"], "`max-lr`: 0보다 큰 수여야 합니다 (받은 값: 'x')"),
        (["train", "lenet5", "--max-lr", "nan"], "`max-lr`: 0보다 큰 수여야 합니다"),
        (["train", "lenet5", "--max-lr", "0"], "`max-lr`: 0보다 큰 수여야 합니다"),
        (["train", "lenet5", "--max-lr", "inf"], "`max-lr`: 0보다 큰 수여야 합니다"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_wrong_usage(capsys, arguments, message):
    code, out, err = stopped(capsys, *arguments)
    assert code == 2
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith(message)
    assert re.fullmatch(r"도움말: python -m cnn_lectures( \w+)? --help", second)
    assert not ENGLISH.search(err)


class OutOfMemoryError(RuntimeError):
    """torch의 것과 이름이 같다."""


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (data.DataError("파일: 내려받지 못했습니다."), "파일: 내려받지 못했습니다."),
        (CheckpointError("파일: 빈 파일입니다."), "파일: 빈 파일입니다."),
        (ValueError("`seed`: 틀렸습니다"), "`seed`: 틀렸습니다"),
        (TypeError("`seed`: 틀렸습니다"), "`seed`: 틀렸습니다"),
        (
            PermissionError(13, "거절", "/x"),
            "파일을 쓰거나 읽지 못했습니다 ([Errno 13] 거절: '/x')",
        ),
        (OutOfMemoryError("CUDA"), "장치의 메모리가 모자랍니다."),
        (
            ModuleNotFoundError("", name="torch"),
            "torch 패키지가 없습니다. `python -m cnn_lectures doc",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_expected_problems_are_one_line(capsys, monkeypatch, problem, message):
    def failing(arguments):
        raise problem

    command = COMMANDS["doctor"]._replace(run=failing)
    monkeypatch.setitem(COMMANDS, "doctor", command)
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize("problem", [ValueError("shape"), RuntimeError("`bug`: 글"), KeyError("x")])
def test_bugs_are_not_hidden(monkeypatch, problem):
    def failing(arguments):
        raise problem

    monkeypatch.setitem(COMMANDS, "doctor", COMMANDS["doctor"]._replace(run=failing))
    with pytest.raises(type(problem)):
        main(["doctor"])


def test_findings_are_shown_as_they_come(monkeypatch):
    raw, seen = io.BytesIO(), []  # 파일이나 파이프처럼 모았다가 쓰는 출력

    def first():
        yield doctor.Finding("첫째", doctor.OK, "보입니다")

    def second():
        seen.append(raw.getvalue().decode())
        yield doctor.Finding("둘째", doctor.PROBLEM, "고장입니다")

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    monkeypatch.setattr(doctor, "CHECKS", {"첫째": first, "둘째": second})
    assert main(["doctor"]) == 1
    assert "첫째          보입니다" in seen[0]
    sys.stdout.flush()
    assert "둘째" in raw.getvalue().decode()


def test_output_may_be_a_plain_stream(monkeypatch):
    """노트북의 출력에는 `reconfigure`가 없다."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(doctor, "CHECKS", {})
    assert main(["doctor"]) == 0
    assert "실행할 수 있습니다" in sys.stdout.getvalue()


@pytest.mark.parametrize(
    ("encoding", "korean"), [("utf-8", True), ("cp949", False), ("ascii", False)]
)
def test_json_can_be_written_to_any_console(monkeypatch, encoding, korean):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    found = doctor.Finding("이름", doctor.OK, "글 😀")
    monkeypatch.setattr(doctor, "CHECKS", {"검사": lambda: iter([found])})
    assert main(["doctor", "--json"]) == 0
    sys.stdout.flush()
    text = raw.getvalue().decode(encoding)
    assert json.loads(text)["findings"] == [found._asdict()]
    assert ("이름" in text) == korean


def test_stopping_by_hand(capsys, monkeypatch):
    def stop():
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(doctor, "CHECKS", {"검사": stop})
    assert main(["doctor"]) == 130
    assert capsys.readouterr() == ("", "\n멈추었습니다.\n")


def test_another_command_takes_one_entry(capsys, monkeypatch):
    command = Command(
        "인사한다",
        [("--name 철수", "철수에게 인사한다")],
        lambda group: group.add_argument("--name", help="이름"),
        lambda arguments: print(f"안녕, {arguments.name}") or 7,
    )
    monkeypatch.setitem(COMMANDS, "greet", command)
    assert main(["greet", "--name", "영희"]) == 7
    assert capsys.readouterr().out == "안녕, 영희\n"
    assert "python -m cnn_lectures greet --name 철수" in stopped(capsys, "greet", "-h")[1]


def test_program_ends_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "cnn_lectures", "nothing"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("`command`: ")


def test_program_ends_with_the_code_of_the_command(tmp_path):
    path = tmp_path / "quiz.xml"
    path.write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "cnn_lectures", "quiz", str(path), "--chapter", "lenet"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1
    assert "이미" in done.stderr
    assert path.read_bytes() == b""


def test_quiz_may_be_written_at_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["quiz", "~/quiz.xml", "--chapter", "lenet"]) == 0
    assert (tmp_path / "quiz.xml").stat().st_size > 1000
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'quiz.xml'}: 자동 채점 ")


@pytest.fixture
def labels_only(tmp_path, monkeypatch):
    """자료가 작은 파일 하나뿐인 셈 치고, 그 파일만 든 폴더를 준다."""
    name = "t10k-labels-idx1-ubyte"
    content = data.search(name)[1]
    monkeypatch.setattr(data, "FILES", {name: data.FILES[name]})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "DEBIAN_FOLDER", tmp_path / "nowhere")
    monkeypatch.delenv(data.ENVIRONMENT_VARIABLE, raising=False)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    monkeypatch.setattr("torchvision.datasets.FashionMNIST.mirrors", [mirror.as_uri()])
    return mirror


def test_data_is_received_then_found(labels_only, capsys):
    assert main(["data"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    path = data.cache_folder() / "t10k-labels-idx1-ubyte.gz"
    assert re.fullmatch(
        rf"t10k-labels-idx1-ubyte +새로 받아 확인했습니다  {path} \(.*바이트\)", first
    )
    assert last == "네 파일의 SHA-256이 모두 맞습니다."
    assert main(["data"]) == 0
    assert "있던 것을 확인했습니다" in capsys.readouterr().out


def test_data_goes_into_the_folder(labels_only, tmp_path, capsys, monkeypatch):
    assert main(["data", "--folder", str(tmp_path / "usb")]) == 0
    assert os.listdir(tmp_path / "usb") == ["t10k-labels-idx1-ubyte.gz"]
    monkeypatch.setenv(data.ENVIRONMENT_VARIABLE, str(tmp_path / "other"))
    assert main(["data"]) == 0
    assert os.listdir(tmp_path / "other") == ["t10k-labels-idx1-ubyte.gz"]
    assert not data.cache_folder().exists()


def test_data_that_cannot_be_received(labels_only, capsys):
    (labels_only / "t10k-labels-idx1-ubyte.gz").unlink()
    assert main(["data"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.match(r".*: 내려받지 못했습니다", err)
    assert err.splitlines()[-1] == "쓸 수 없는 파일이 1개 있습니다."


def test_every_file_is_tried_and_the_missing_are_counted(labels_only, capsys, monkeypatch):
    names = ("train-labels-idx1-ubyte", "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    (digest,) = data.FILES.values()
    monkeypatch.setattr(data, "FILES", dict.fromkeys(names, digest))
    assert main(["data"]) == 1
    out, err = capsys.readouterr()
    assert out.split()[0] == names[2]
    assert err.splitlines()[-1] == "쓸 수 없는 파일이 2개 있습니다."


def test_all_four_files_are_shown(capsys):
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(data.FILES)


def test_training_without_options_uses_the_recipe(monkeypatch):
    parsed = command_line.build_parser().parse_args(["train", "lenet5"])
    assert (parsed.epochs, parsed.seed, parsed.output) == (5, 0, "runs")
    assert parsed.batch_size is parsed.max_lr is parsed.images is parsed.device is None
    assert parsed.model in recipes.RECIPES
