"""책의 노트북을 깨끗한 커널에서 다시 실행하고, 두 번 실행해도 같은 파일이 되도록 적는다.

    python tools/notebooks.py [--exercises] [book/02_lenet.ipynb ...]

시각, 판 번호처럼 실행할 때마다 달라지는 메타데이터는 남기지 않는다.
쪽의 설명(`description`)은 남긴다. `--exercises`이면 실행하지 않고 연습 문제의 글만 새로 적는다.
"""

import argparse
import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parents[1] / "book"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def rewrite(path: Path) -> None:
    """노트북 하나를 실행하여 제자리에 적는다."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    kept = {key: value for key, value in notebook.metadata.items() if key == "description"}
    notebook.metadata = nbformat.from_dict(METADATA | kept)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02d}"
        cell.source = cell.source.rstrip()
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
    nbformat.write(notebook, path)


def merge_streams(outputs: list) -> list:
    """잇달아 나온 같은 흐름의 출력을 하나로 합친다. 나뉘는 자리는 실행할 때마다 다르다."""
    merged = []
    for output in outputs:
        if "data" in output:
            output.metadata = {}  # 그림의 크기처럼 화면에 따라 달라지는 것
        previous = merged[-1] if merged else None
        if previous and output.get("name") and previous.get("name") == output.name:
            previous.text += output.text
        else:
            merged.append(output)
    return merged


def restate(path: Path) -> None:
    """연습 문제와 맞은 풀이의 글만 패키지에서 다시 적는다. 풀이가 정말 맞는지는 nbval이 본다."""
    from cnn_lectures.exercises import exercises
    from cnn_lectures.exercises._kinds import MIME

    known = exercises(path.stem[3:])
    notebook = nbformat.read(path, as_version=4)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        data = output.get("data", {})
        solution = re.match("✅ `(.+?)`", data.get("text/plain", ""))
        if MIME in data:
            data.update(known[data[MIME]["name"]]._repr_mimebundle_())
        elif solution:
            text = str(known[solution[1]].solved())
            data.update({"text/plain": text, "text/markdown": text})
    nbformat.write(notebook, path)


def main() -> None:
    """명령줄을 읽어 노트북마다 다시 적는다."""
    parser = argparse.ArgumentParser(description="노트북의 출력을 새로 적는다.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="생략하면 모두")
    parser.add_argument("--exercises", action="store_true", help="연습 문제의 글만 적는다")
    arguments = parser.parse_args()
    os.environ["CNN_LECTURES_PROGRESS"] = "0"
    for path in arguments.notebooks or sorted(BOOK.glob("*.ipynb")):
        print(path.name, flush=True)
        (restate if arguments.exercises else rewrite)(path)


if __name__ == "__main__":
    main()
