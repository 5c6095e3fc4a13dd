"""책의 노트북을 깨끗한 커널에서 다시 실행하고, 두 번 실행해도 같은 파일이 되도록 적는다.

    python tools/notebooks.py [book/02_lenet.ipynb ...]

시각, 판 번호처럼 실행할 때마다 달라지는 메타데이터는 남기지 않는다.
쪽의 설명(`description`)은 남긴다.
"""

import os
import sys
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


if __name__ == "__main__":
    os.environ["CNN_LECTURES_PROGRESS"] = "0"
    for path in map(Path, sys.argv[1:] or sorted(BOOK.glob("*.ipynb"))):
        print(path.name, flush=True)
        rewrite(path)
