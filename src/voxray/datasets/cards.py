"""One card per data set: what it is, whose it is, where it comes from, how it lies."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from voxray.core.specs.base import Spec

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Count = Annotated[int, Field(ge=1)]


def _inside(text: str) -> str:
    """A path below the data set's folder."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        msg = f"{text!r} must be a relative path without '..'"
        raise ValueError(msg)
    return path.as_posix()


InnerPath = Annotated[str, AfterValidator(_inside)]


class Task(StrEnum):
    """What a data set can be used to learn."""

    SEGMENTATION = "segmentation"
    BINARY = "binary"
    MULTI_CLASS = "multi-class"
    MULTI_LABEL = "multi-label"
    ORDINAL = "ordinal"


class RemoteFile(Spec):
    """A file on a server.

    Attributes:
        url: Where it is.
        md5, sha256: As its publisher gives them; without either it stays unverified.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/]+/.+")]
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def name(self) -> str:
        """Name of the file, e.g. breastmnist.npz."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def checksum(self) -> tuple[str, str] | None:
        """Algorithm and hexadecimal digest; the stronger one, None when unknown."""
        if self.sha256 is not None:
            return "sha256", self.sha256
        return None if self.md5 is None else ("md5", self.md5)


class _Card(Spec):
    """What a person must know of a data set before using it.

    Attributes:
        source: Public page where a user reads about it, or gets it.
        origin: What it was made from, where its makers ask to cite that too.
        modality: What the images are.
        tasks: What can be learned from it.
        n: Published scans with a label or a mask; None for a user's own folder.
        classes: Value of the label to its meaning; of several labels, the number of
            the column.
        positive: The class that sensitivity is about; the last one by default.
        mask_values: Value in the masks to its meaning.
        patients: How patients are named.
        caveats: What surprises in it.
    """

    name: Name
    title: str
    source: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    licence: str
    citation: str
    origin: str = ""
    modality: str
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    n: Count | None = None
    classes: dict[int, str] = Field(default={})
    positive: str = ""
    mask_values: dict[int, str] = Field(default={})
    patients: str
    caveats: str = ""

    @model_validator(mode="after")
    def _positive_is_a_class(self) -> Self:
        if self.positive and self.positive not in self.classes.values():
            msg = f"positive: {self.positive!r} is none of the classes"
            raise ValueError(msg)
        return self


class NpzCard(_Card):
    """Arrays `<split>_images` and `<split>_labels` in one npz file for each size.

    Attributes:
        files: By the width of an image in pixels.
        splits: Published scans by split.
        volumes: Whether an image is a volume with as many slices as pixels a row.
        colour: Whether an image has three colours.
    """

    kind: Literal["npz"]
    files: Annotated[dict[Count, RemoteFile], Field(min_length=1)]
    splits: Annotated[dict[Name, Count], Field(min_length=1)]
    volumes: bool = False
    colour: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(self.splits.values()) != self.n:
            msg = f"the splits have {sum(self.splits.values())} scans, n is {self.n}"
            raise ValueError(msg)
        if not self.classes:
            msg = "an npz card needs 'classes'"
            raise ValueError(msg)
        if self.volumes and self.colour:
            msg = "volumes have no colour here"
            raise ValueError(msg)
        return self

    def image_shape(self, pixels: int) -> tuple[int, ...]:
        """Shape of one image of this width."""
        last = (pixels,) if self.volumes else (3,) if self.colour else ()
        return pixels, pixels, *last


class _FilesCard(_Card):
    """Files in folders, perhaps packed into one tar.

    Attributes:
        archive: What a fetch without a source downloads.
        layout: What a source must look like.
    """

    archive: RemoteFile | None = None
    layout: str


class DecathlonCard(_FilesCard):
    """imagesTr and labelsTr; an image with several channels is a 4D file.

    Attributes:
        channels: Names of the channels in the order of the 4th axis; with more than
            one, each becomes a file of its own.
    """

    kind: Literal["decathlon"]
    channels: Annotated[tuple[Name, ...], Field(min_length=1)]


class FolderCard(_FilesCard):
    """Scans in a folder, masks with the same names, a label table.

    Attributes:
        images, masks: Folders in the source, and in what is made of it.
        table: Label table.
        optional: Which of the two may be missing.
        experiment: What an experiment on it must say, besides where its files lie.
    """

    kind: Literal["folder"]
    images: InnerPath = "images"
    masks: InnerPath | None = None
    table: InnerPath | None = None
    optional: tuple[Literal["masks", "table"], ...] = ()
    experiment: dict[str, dict[str, Any]] = Field(default={})


DataCard = Annotated[NpzCard | DecathlonCard | FolderCard, Field(discriminator="kind")]
