"""The search for identifying words finds them in every disguise, so it can fail."""

import base64
import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin

from tests.makers import Series, a_slice, save_dicom
from tests.stages.token_search import Hit, TokenSearch

TOKEN = "Zq7Marker4Kx"
SEARCH = TokenSearch({"other": "neverthere9", "name": TOKEN, "date": "19370214"})
TEXT = f"before {TOKEN} after".encode()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return stream.getvalue()


def _parquet() -> bytes:
    stream = io.BytesIO()
    frame = pd.DataFrame({"a": ["x", [TOKEN, "y"]][1:], "n": [1]})
    frame.to_parquet(stream, compression="zstd")
    return stream.getvalue()


def _sqlite(folder: Path) -> bytes:
    database = sqlite3.connect(folder / "a.db")
    database.execute("create table t (x blob)")
    database.execute("insert into t values (?)", [TOKEN.encode("utf-16-le")])
    database.commit()
    database.close()
    return (folder / "a.db").read_bytes()


def _png() -> bytes:
    stream, told = io.BytesIO(), PngImagePlugin.PngInfo()
    told.add_text("Comment", TOKEN * 40, zip=True)
    Image.new("L", (4, 4)).save(stream, "png", pnginfo=told)
    return stream.getvalue()


def _nifti() -> bytes:
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    image.header["descrip"] = TOKEN
    return gzip.compress(image.to_bytes())


def _dicom(folder: Path) -> bytes:
    series = Series(extra={"PatientComments": TOKEN})
    return save_dicom(a_slice(series, 0), folder / "a.dcm").read_bytes()


PLACES: dict[str, Callable[[Path], bytes]] = {
    "plain text": lambda _: TEXT,
    "lower case": lambda _: TEXT.lower(),
    "upper case": lambda _: TEXT.upper(),
    "UTF-16 little endian": lambda _: TOKEN.encode("utf-16-le"),
    "UTF-16 big endian, upper case": lambda _: TOKEN.upper().encode("utf-16-be"),
    "JSON": lambda _: json.dumps({TOKEN: 1}).encode(),
    "hexadecimal": lambda _: TEXT.hex().encode(),
    "base64": lambda _: base64.b64encode(TEXT),
    "base64, shifted": lambda _: base64.b64encode(b"x" + TOKEN.encode()),
    "gzip": lambda _: gzip.compress(TEXT),
    "zlib": lambda _: zlib.compress(TEXT),
    "gzip in base64": lambda _: b"var x='" + base64.b64encode(gzip.compress(TEXT)),
    "zip": lambda _: _zip(),
    "zip in gzip": lambda _: gzip.compress(_zip()),
    "tar": lambda _: _tar(),
    "parquet": lambda _: _parquet(),
    "sqlite": _sqlite,
    "png": lambda _: _png(),
    "nifti": lambda _: _nifti(),
    "dicom": _dicom,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_planted_token_is_found(tmp_path: Path, place: str) -> None:
    content = PLACES[place](tmp_path)

    assert {hit.name for hit in SEARCH.in_bytes(content, "file")} == {"name"}


def test_a_token_in_a_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "sub" / TOKEN.lower()).mkdir(parents=True)

    assert SEARCH.in_folder(tmp_path) == [
        Hit("name", f"name sub/{TOKEN.lower()}"),
    ]


def test_private_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.txt").write_bytes(TEXT)

    assert SEARCH.in_folder(tmp_path, [tmp_path / "private"]) == []
    assert len(SEARCH.in_folder(tmp_path)) == 1


def test_digits_count_only_alone() -> None:
    assert SEARCH.in_bytes(b"born 19370214.", "a") == []
    assert SEARCH.in_bytes(b"0.193702145 3.19370214", "a") == []
    assert SEARCH.in_bytes(b"born 19370214,", "a") == [Hit("date", "a")]
