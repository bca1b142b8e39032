"""Runs the notebooks: for their tests, and as `python -m tests.books` to write anew into each what it shows."""

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NAMES = ("explore", "retrain", "evaluate", "monitor")  # in the order of reading
SECONDS = 600  # for one cell, on a machine that does much else


def read(name: str) -> Any:
    """A committed notebook."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def execute(book: Any, home: Path, **environment: str) -> None:
    """Runs all cells in the folder `home`, with this copy of the packages; outputs are put into `book`."""
    place = {"metadata": {"path": str(home)}}
    client = NotebookClient(book, timeout=SECONDS, kernel_name="python3", record_timing=False, resources=place)
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)} | environment)


def refresh(name: str) -> None:
    """Runs a notebook where it lies, and writes it with what it shows but nothing of this machine."""
    book = read(name)
    about = dict(book.metadata)
    execute(book, FOLDER)
    book.metadata = nbformat.from_dict(about)
    nbformat.write(book, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    for each in NAMES:
        refresh(each)
