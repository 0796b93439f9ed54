"""Small data sets as they are published, and a server that misbehaves as told."""

import io
import re
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import yaml

from tests.makers import write_mask, write_nifti
from voxray.datasets.cards import DecathlonCard, NpzCard, RemoteFile, Task
from voxray.datasets.download import Patience

URL = "http://127.0.0.1:1/"
AT_ONCE = Patience(tries=3, wait_s=0.0, timeout_s=5.0)


def npz_card(**changes: Any) -> NpzCard:
    """Two classes of 4 x 4 grey pictures: 3 of train, 2 of val, 2 of test."""
    facts: dict[str, Any] = {
        "name": "tiny",
        "kind": "npz",
        "title": "Tiny",
        "source": "https://example.org",
        "licence": "CC BY 4.0",
        "citation": "Nobody (2026)",
        "modality": "none",
        "tasks": ["binary"],
        "n": 7,
        "splits": {"train": 3, "val": 2, "test": 2},
        "classes": {0: "no", 1: "yes"},
        "patients": "none",
        "files": {4: {"url": f"{URL}tiny.npz"}, 8: {"url": f"{URL}tiny_8.npz"}},
    }
    return NpzCard.model_validate({**facts, **changes})


def arrays(
    shape: tuple[int, ...] = (4, 4), labels: int = 1, **n: int
) -> dict[str, np.ndarray]:
    """Images and labels of splits, e.g. `arrays(train=3)`; all different."""
    generator = np.random.default_rng(0)
    made = {}
    for split, number in (n or {"train": 3, "val": 2, "test": 2}).items():
        images = generator.integers(0, 255, (number, *shape), np.uint8)
        made[f"{split}_images"] = images
        made[f"{split}_labels"] = np.arange(number * labels).reshape(number, -1) % 2
    return made


def write_npz(path: Path, content: dict[str, np.ndarray] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    held: Any = arrays() if content is None else content
    np.savez_compressed(path, **held)
    return path


def write_card(path: Path, **changes: Any) -> Path:
    """A card's YAML file."""
    card = npz_card(**changes).model_dump(mode="json")
    path.write_text(yaml.safe_dump(card, sort_keys=False))
    return path


def write_decathlon(
    root: Path,
    images: tuple[str, ...] = ("a", "b"),
    labels: tuple[str, ...] = ("a", "b"),
    suffix: str = "Tr",
    channels: int = 1,
) -> Path:
    """A task of the Decathlon; images with several channels are 4D."""
    for number, name in enumerate(images):
        shape = (6, 8, 5) if channels == 1 else (6, 8, 5, channels)
        voxels = number + np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
        write_nifti(root / f"images{suffix}" / f"{name}.nii.gz", voxels)
    for name in labels:
        write_mask(root / f"labels{suffix}" / f"{name}.nii.gz")
    return root


def decathlon_card(*channels: str) -> DecathlonCard:
    return DecathlonCard(
        name="toy",
        kind="decathlon",
        title="Toy",
        licence="CC0",
        citation="Nobody (2026)",
        modality="MR",
        tasks=(Task.SEGMENTATION,),
        patients="none",
        layout="imagesTr, labelsTr",
        channels=channels or ("mr",),
        archive=RemoteFile(url=f"{URL}Task99_Toy.tar"),
    )


def write_tar(path: Path, folder: Path, *extra: tarfile.TarInfo) -> Path:
    """Pack a folder under its own name, and members of no content."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        archive.add(folder, folder.name)
        for member in extra:
            archive.addfile(member, io.BytesIO())
    return path


def voxels_of(path: Path) -> np.ndarray:
    image: Any = nib.load(path)
    return np.asanyarray(image.dataobj)


@dataclass
class Answer:
    """How one request is answered.

    Attributes:
        cut: The connection is closed after so many bytes.
        length: Content-Length, if it is not the true one; "" leaves it out.
        ranges: Whether a Range is heeded.
        total: The size in Content-Range, if it is not the true one.
    """

    content: bytes = b""
    status: int = 200
    tag: str = '"v1"'
    cut: int | None = None
    length: str | None = None
    ranges: bool = True
    total: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """A server on this machine; the last answer is given again and again."""

    url: str
    answers: list[Answer]
    ranges: list[str | None] = field(default_factory=list)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def file(self, content: bytes | None, name: str = "tiny.npz") -> RemoteFile:
        """A file there; with the checksum of `content`, if given."""
        digest = None if content is None else md5(content).hexdigest()
        return RemoteFile(url=f"{self.url}/{name}", md5=digest)


@contextmanager
def serve(*answers: Answer) -> Iterator[Server]:
    server = Server("", list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.ranges.append(self.headers.get("Range"))
            _reply(self, server.next())

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _reply(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    body, status, headers = answer.content, answer.status, dict(answer.headers)
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    same = request.headers.get("If-Range", answer.tag) == answer.tag
    if status == 200 and asked and answer.ranges and same:
        first, total = int(asked[1]), answer.total or len(answer.content)
        body = answer.content[first:]
        status = 206 if body else 416
        headers["Content-Range"] = f"bytes {first}-{total - 1}/{total}"
    length = str(len(body)) if answer.length is None else answer.length
    headers |= {"Content-Length": length} if length else {}
    headers |= {"ETag": answer.tag} if answer.tag else {}
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body if answer.cut is None else body[: answer.cut])
