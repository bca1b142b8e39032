"""What cannot be written is named, and what was there before stays."""

import resource
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
import pytest

from training import assigning
from training.assigning import Assigned
from training.batch.output import join, write_part
from training.outputs import write_whole

ROWS = pd.DataFrame({"need_id": [f"N{number:05}" for number in range(2000)]})
SCHEMA = pa.schema([("need_id", pa.string())])


@contextmanager
def little_room(size=2000):
    """No file grows past this size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def written_part(folder):
    path = folder / "part-00000.parquet"
    write_part(ROWS.to_dict("records"), 2000, SCHEMA, path, folder)
    return path


def test_a_full_disk_is_told_with_the_report_that_had_no_room_and_the_one_before_stays(tmp_path):
    path = tmp_path / "report.json"
    write_whole("before", path)
    with little_room(), pytest.raises(OSError, match=f"File too large: '{path}'"):
        write_whole("x" * 20_000, path)
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_full_disk_is_told_with_the_list_that_had_no_room(tmp_path, name):
    part, out = written_part(tmp_path), tmp_path / name
    assigned = Assigned(ROWS, ROWS, 0.0, 0.0, 0.0, {})
    with little_room():
        with pytest.raises(OSError, match=f"File too large: '{out}'"):
            join([part], SCHEMA, out)
        with pytest.raises(OSError, match=f"File too large: '{out}'"):
            assigning.write(assigned, out)
        with pytest.raises(OSError, match=f"File too large: '{part}'"):
            written_part(tmp_path)
    assert not out.exists()


def test_what_the_system_names_already_stays_as_it_says(tmp_path):
    path = tmp_path / "none" / "report.json"
    with pytest.raises(
        FileNotFoundError, match=f"No such file or directory: '{tmp_path / 'none' / '.report.json.part'}'"
    ):
        write_whole("x", path)
