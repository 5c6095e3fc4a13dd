"""명령줄 `python -m cnn_lectures`.

명령을 더하려면 `Command` 하나를 `COMMANDS`에 넣는다. 도움말이 빨리 나오도록 무거운 패키지는 명령을
실행할 때 불러온다.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import cnn_lectures
from cnn_lectures import _checks

PROGRAM = "python -m cnn_lectures"


class Command(NamedTuple):
    """하위 명령 하나.

    Attributes
    ----------
    summary : 하는 일
    examples : (명령 뒤에 적을 것, 그 뜻)의 목록
    add_options : 인자의 묶음에 이 명령의 인자를 더하는 함수
    run : 읽은 인자로 명령을 실행하고 종료 코드를 돌려주는 함수
    """

    summary: str
    examples: Sequence[tuple[str, str]]
    add_options: Callable[[argparse._ArgumentGroup], None]
    run: Callable[[argparse.Namespace], int]


class Formatter(argparse.RawDescriptionHelpFormatter):
    """제목이 "usage:"가 아니라 "사용법:"인 도움말."""

    def add_usage(self, usage, actions, groups, prefix="사용법: "):
        """제목만 바꾼다."""
        super().add_usage(usage, actions, groups, prefix)


# argparse의 영어 오류 글(정규식)과 그 대신 쓸 글. 여기에 없는 것은 영어 그대로 나온다.
MESSAGES = (
    (r"argument \S+: (`.+)", r"\1"),
    (r"argument (\S+): expected one argument", r"`\1`: 값을 하나 적어야 합니다"),
    (r"argument (\S+): ignored explicit argument (.+)", r"`\1`: 값을 받지 않습니다 (받은 값: \2)"),
    (r"unrecognized arguments: (.+)", r"모르는 인자입니다: \1"),
    (r"the following arguments are required: (.+)", r"빠진 인자가 있습니다: \1"),
)


class Parser(argparse.ArgumentParser):
    """도움말과 오류 글이 한국어인 파서."""

    def __init__(self, *, examples: Sequence[tuple[str, str]] = (), **options):
        prog = options["prog"]
        width = max((len(line) for line, _ in examples), default=0)
        lines = [f"  {prog} {line:<{width}}  {meaning}" for line, meaning in examples]
        super().__init__(
            **options,
            epilog="\n".join(["예:", *lines]),
            formatter_class=Formatter,
            add_help=False,
            allow_abbrev=False,
        )
        self.options = self.add_argument_group("인자")
        self.options.add_argument("-h", "--help", action="help", help="이 도움말을 보인다")

    def error(self, message: str):
        """사용법 대신 한 줄로 알리고 2로 끝낸다."""
        unknown = re.fullmatch(r"argument \S+: invalid choice: '(.*)' \(choose from .*\)", message)
        if unknown:
            near = get_close_matches(unknown[1], COMMANDS) or COMMANDS
            rule = f"{', '.join(near)} 가운데 하나여야 합니다"
            message = str(_checks.error("command", rule, unknown[1]))
        for pattern, korean in MESSAGES:
            if re.fullmatch(pattern, message):
                message = re.sub(pattern, korean, message)
        self.exit(2, f"{message}\n도움말: {self.prog} --help\n")


def whole(parameter: str, *, minimum: int) -> Callable[[str], int]:
    """`minimum` 이상의 정수를 읽는 함수."""

    def convert(text: str) -> int:
        value = int(text) if re.fullmatch(r"-?\d+", text) else text
        try:
            return _checks.integer(parameter, value, minimum=minimum)
        except (TypeError, ValueError) as problem:
            raise argparse.ArgumentTypeError(problem) from None

    return convert


def positive(parameter: str) -> Callable[[str], float]:
    """0보다 큰 실수를 읽는 함수."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            problem = _checks.error(parameter, "0보다 큰 수여야 합니다", text)
            raise argparse.ArgumentTypeError(problem)
        return value

    return convert


def model_name(text: str) -> str:
    """학습할 수 있는 모형의 이름을 읽는다."""
    from cnn_lectures.models._common import choice
    from cnn_lectures.recipes import RECIPES

    try:
        return choice("model", text, RECIPES)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(problem) from None


def chapter_name(text: str) -> str:
    """연습 문제가 있는 장의 이름을 읽는다."""
    from cnn_lectures.exercises import CHAPTERS

    if text not in CHAPTERS:
        near = get_close_matches(text, CHAPTERS) or CHAPTERS
        problem = _checks.error("chapter", f"{', '.join(near)} 가운데 하나여야 합니다", text)
        raise argparse.ArgumentTypeError(problem)
    return text


def doctor_options(group) -> None:
    """`doctor`의 인자."""
    group.add_argument("--json", action="store_true", help="결과를 JSON 하나로 적는다")


def run_doctor(arguments: argparse.Namespace) -> int:
    """살핀 것을 나오는 대로 보인다."""
    from cnn_lectures import doctor

    findings = []
    for finding in doctor.diagnose():
        findings.append(finding)
        if not arguments.json:
            print(doctor.describe(finding), flush=True)
    healthy = all(finding.state != doctor.PROBLEM for finding in findings)
    if arguments.json:
        report = {"ok": healthy, "findings": [finding._asdict() for finding in findings]}
        text = json.dumps(report, ensure_ascii=False, indent=1)
        print(text if doctor.printable(text) else json.dumps(report, indent=1))
    else:
        print(f"\n{doctor.conclusion(findings)}")
    return 0 if healthy else 1


def data_options(group) -> None:
    """`data`의 인자."""
    where = "자료를 찾거나 받을 폴더. 생략하면 환경 변수 CNN_LECTURES_DATA의 폴더나 사용자 캐시"
    group.add_argument("--folder", metavar="PATH", help=where)


def run_data(arguments: argparse.Namespace) -> int:
    """네 파일의 자리와 상태를 보인다."""
    from cnn_lectures import data

    failed = 0
    for name in data.FILES:
        try:
            path, new = data.obtain(name, arguments.folder)
        except data.DataError as problem:
            failed += 1
            print(problem, file=sys.stderr)
            continue
        state = "새로 받아 확인했습니다" if new else "있던 것을 확인했습니다"
        print(f"{name:<23}  {state}  {path} ({path.stat().st_size:,}바이트)", flush=True)
    if failed:
        print(f"쓸 수 없는 파일이 {failed}개 있습니다.", file=sys.stderr)
        return 1
    print("네 파일의 SHA-256이 모두 맞습니다.")
    return 0


def train_options(group) -> None:
    """`train`의 인자. 생략했을 때의 값은 `RECIPES`에 있다."""
    group.add_argument("model", type=model_name, help="모형의 이름. 예: lenet5, resnet_small")
    for name, minimum, meaning in (
        ("epochs", 1, "학습 자료를 훑는 횟수. 생략하면 5"),
        ("batch-size", 1, "미니배치의 크기. 생략하면 모형마다 정한 값"),
        ("images", 1, "학습과 시험에 쓸 이미지 수(앞에서부터). 생략하면 모두"),
        ("seed", 0, "난수 씨앗. 생략하면 0"),
    ):
        default = {"epochs": 5, "seed": 0}.get(name)
        convert = whole(name, minimum=minimum)
        group.add_argument(f"--{name}", metavar="N", type=convert, default=default, help=meaning)
    rate = "one-cycle의 가장 높은 학습률. 생략하면 모형마다 정한 값"
    group.add_argument("--max-lr", metavar="LR", type=positive("max-lr"), help=rate)
    device = "cpu, cuda, cuda:1, mps. 생략하면 CUDA GPU, 없으면 CPU"
    group.add_argument("--device", metavar="NAME", help=device)
    folder = "결과를 둘 폴더. 생략하면 지금 폴더 아래의 runs"
    group.add_argument("--output", metavar="PATH", default="runs", help=folder)
    group.add_argument("--overwrite", action="store_true", help="이미 있는 결과를 덮어쓴다")


def run_train(arguments: argparse.Namespace) -> int:
    """학습하고 성적과 파일의 자리를 보인다."""
    from cnn_lectures import recipes
    from cnn_lectures.train import format_history

    name = arguments.model
    paths = recipes.outputs(name, arguments.output, overwrite=arguments.overwrite)
    model, history, settings = recipes.run(
        name,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        max_lr=arguments.max_lr,
        images=arguments.images,
        seed=arguments.seed,
        device=arguments.device,
    )
    recipes.save(paths, model, history, settings)
    shown = ("images", "side", "optimizer", "max_lr", "batch_size", "seed", "device")
    print(f"{name}: " + ", ".join(f"{key} {settings[key]}" for key in shown))
    print(format_history(history))
    for kind, path in zip(("가중치", "곡선  ", "기록  "), paths, strict=True):
        print(f"{kind}  {path}")
    return 0


def quiz_options(group) -> None:
    """`quiz`의 인자."""
    group.add_argument("path", type=Path, help="쓸 파일. 예: cnn-lectures-quiz.xml")
    group.add_argument(
        "--chapter",
        metavar="NAME",
        action="append",
        type=chapter_name,
        help="실을 장. 여럿이면 되풀이하여 적고, 생략하면 모두",
    )
    group.add_argument("--overwrite", action="store_true", help="이미 있는 파일을 덮어쓴다")


def run_quiz(arguments: argparse.Namespace) -> int:
    """쓰고 문제의 수와 가져오는 방법을 보인다."""
    from cnn_lectures.exercises import CHAPTERS, _moodle

    chosen = [name for name in CHAPTERS if name in (arguments.chapter or CHAPTERS)]
    path = arguments.path.expanduser()
    counts = _moodle.write(path, chosen, overwrite=arguments.overwrite)
    essays = counts.pop("essay", 0)
    print(f"{path}: 자동 채점 {sum(counts.values())}문제, 서술형 {essays}문제")
    print("Moodle의 문제 은행 → 가져오기 → Moodle XML 형식에서 이 파일을 고르십시오.")
    return 0


COMMANDS: dict[str, Command] = {
    "doctor": Command(
        "이 컴퓨터에서 교재를 실행할 수 있는지 살핀다",
        (("", "살핀 것과 고칠 방법을 보인다"), ("--json", "프로그램이 읽을 꼴로 적는다")),
        doctor_options,
        run_doctor,
    ),
    "data": Command(
        "Fashion-MNIST를 찾아 확인하고, 없으면 내려받는다. 끊기면 다음에 이어받는다",
        (("", "사용자 캐시에 둔다"), ("--folder usb", "폴더 usb에 둔다")),
        data_options,
        run_data,
    ),
    "train": Command(
        "모형 하나를 Fashion-MNIST로 학습하여 가중치, 곡선, 기록을 남긴다",
        (
            ("lenet5", "5에포크를 학습하여 runs에 남긴다"),
            ("resnet18 --images 1000 --epochs 1", "큰 모형을 CPU에서 잠깐 해 본다"),
            ("vgg_small --max-lr 0.001 --seed 1", "학습률과 씨앗을 바꾼다"),
        ),
        train_options,
        run_train,
    ),
    "quiz": Command(
        "연습 문제를 Moodle의 문제 은행에 넣을 Moodle XML로 쓴다",
        (
            ("cnn-lectures-quiz.xml", "모든 장의 문제를 쓴다"),
            ("week2.xml --chapter lenet --chapter pooling", "고른 장의 문제만 쓴다"),
        ),
        quiz_options,
        run_quiz,
    ),
}


def build_parser() -> Parser:
    """`COMMANDS`의 모든 명령을 아는 파서."""
    examples = [
        (f"{name} {command.examples[0][0]}".strip(), command.examples[0][1])
        for name, command in COMMANDS.items()
    ]
    description = "교재 『합성곱 신경망』의 명령줄 도구"
    parser = Parser(prog=PROGRAM, description=description, examples=examples)
    version = f"cnn-lectures {cnn_lectures.__version__}"
    parser.options.add_argument("--version", action="version", version=version, help="판을 보인다")
    commands = parser.add_subparsers(
        title="고를 수 있는 명령", dest="command", metavar="명령", required=True
    )
    for name, command in COMMANDS.items():
        child = commands.add_parser(
            name,
            prog=f"{PROGRAM} {name}",
            help=command.summary,
            description=f"{command.summary}.",
            examples=command.examples,
        )
        command.add_options(child.options)
        child.set_defaults(run=command.run)
    return parser


def explanation(problem: Exception) -> str | None:
    """미리 생각한 오류면 한 줄의 글, 아니면 None. torch가 없어도 되도록 이름으로 가린다."""
    if isinstance(problem, ModuleNotFoundError):
        if str(problem.name).startswith(("markdown_it", "mdit_py_plugins")):
            command = "pip install markdown-it-py mdit-py-plugins"
            return f"퀴즈를 내보내는 데 쓰는 패키지가 없습니다. `{command}`로 설치하십시오."
        return f"{problem.name} 패키지가 없습니다. `{PROGRAM} doctor`로 살펴보십시오."
    if type(problem).__name__ == "OutOfMemoryError":
        return "장치의 메모리가 모자랍니다. `--batch-size`를 줄이거나 작은 모형을 고르십시오."
    if isinstance(problem, FloatingPointError):
        return f"{problem}. `--max-lr`를 줄이십시오."
    if isinstance(problem, FileExistsError) and problem.errno is None:
        return f"{problem}. `--overwrite`를 주거나 다른 자리를 고르십시오."
    if isinstance(problem, OSError):
        return f"파일을 쓰거나 읽지 못했습니다 ({problem})"
    if type(problem).__name__ in ("DataError", "CheckpointError"):
        return str(problem)
    if isinstance(problem, TypeError | ValueError) and str(problem).startswith("`"):
        return str(problem)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """명령을 실행하고 종료 코드를 돌려준다: 잘되면 0, 안되면 1, 쓰는 법이 틀리면 2.

    Parameters
    ----------
    arguments : 프로그램 이름 뒤의 인자. 생략하면 `sys.argv`에서 읽는다.
    """
    if hasattr(sys.stdout, "reconfigure"):  # cp949 콘솔에 없는 글자가 있어도 멈추지 않게 한다
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        parsed = build_parser().parse_args(arguments)
        return parsed.run(parsed)
    except KeyboardInterrupt:
        print("\n멈추었습니다.", file=sys.stderr)
        return 130
    except Exception as problem:
        message = explanation(problem)
        if message is None:
            raise
        print(message, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
