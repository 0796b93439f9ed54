"""The model folder: everything from intake rules to weights, without pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from voxray.core.errors import ConfigError, ManifestError
from voxray.core.files import atomic_path, write_text
from voxray.core.hashing import sha256_file
from voxray.core.records import Sha256
from voxray.core.specs import ModelPackage, Plan
from voxray.model.device import Compute
from voxray.model.inference import Member
from voxray.model.networks import VoxrayNetwork

PACKAGE_FILE = "package.json"
CARD_FILE = "card.md"
_CODE = frozenset(
    {
        *(".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin"),
        *(".py", ".pyc", ".so", ".dll", ".sh"),
    }
)
"""What files that run code, or are unpickled, end in."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model folder that was checked and is ready to predict.

    Attributes:
        package: What the folder says about itself.
        members: Network and fold values, one per fold, in eval mode.
        sha256: Hash of `package.json`, which holds the hashes of all other files.
    """

    package: ModelPackage
    members: tuple[Member, ...]
    sha256: Sha256


def save_network(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write weights as safetensors, whole or not at all, the same bytes each time."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in sorted(state.items())
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors))


def load_network(path: Path, plan: Plan, compute: Compute) -> nn.Module:
    """Build the network of a plan and fill in its weights.

    Raises:
        ManifestError: If the weights are damaged or do not belong to this plan.
    """
    network = VoxrayNetwork(plan)
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        msg = f"{path.name!r} is damaged or does not fit its plan; train again"
        raise ManifestError(msg) from error
    return compute.place(network).eval()


def write_package(folder: Path, package: ModelPackage, card: str) -> Sha256:
    """Write card and `package.json` beside the weights; returns the model's hash.

    Args:
        folder: Holds the weights named in `package.networks`, and any other file that
            belongs to the model.
        package: `files` is filled in here.
        card: Model card in Markdown.

    Raises:
        FileNotFoundError: If weights are missing.
    """
    write_text(folder / CARD_FILE, card)
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != PACKAGE_FILE)
    names = {p.relative_to(folder).as_posix() for p in files} | {*package.networks}
    hashes = hash_files(folder, sorted(names))
    complete = package.model_copy(update={"files": hashes})
    write_text(folder / PACKAGE_FILE, complete.model_dump_json(indent=2) + "\n")
    return sha256_file(folder / PACKAGE_FILE)


def hash_files(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """sha256 of each file."""
    return {name: str(sha256_file(folder / name)) for name in names}


def read_package(folder: Path) -> ModelPackage:
    """Read `package.json` and compare every file with its hash.

    Raises:
        ConfigError: If the folder is no model folder.
        ManifestError: If a file is missing, changed, of a newer schema, or not listed
            and of a kind that may hold code.
    """
    path = folder / PACKAGE_FILE
    if not path.is_file():
        msg = f"{folder} is no model folder: it has no {PACKAGE_FILE}"
        raise ConfigError(msg)
    try:
        package = ModelPackage.model_validate_json(path.read_bytes())
    except ValueError as error:
        msg = f"{path} was not written by this version of voxray: {error}"
        raise ManifestError(msg) from error
    for name, expected in package.files.items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != expected:
            msg = (
                f"model file {name!r} is missing or was changed; fetch the model again"
            )
            raise ManifestError(msg)
    _refuse_code(folder, package)
    return package


def _refuse_code(folder: Path, package: ModelPackage) -> None:
    """Nothing unlisted is read, but whoever put code there wanted it to run."""
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    for name in sorted(there - set(package.files)):
        if Path(name).suffix.lower() in _CODE:
            msg = (
                f"the model folder holds {name!r}, which {PACKAGE_FILE} does not list "
                "and which may hold code; fetch the model again"
            )
            raise ManifestError(msg)


def load_model(folder: Path, compute: Compute) -> Model:
    """Check a model folder and load its networks.

    Raises:
        ConfigError: If the folder is no model folder.
        ManifestError: If a file is missing, changed, or does not fit.
    """
    package = read_package(folder)
    missing = set(package.networks) - set(package.files)
    if missing:
        msg = f"package.json has no hash for {sorted(missing)}; fetch the model again"
        raise ManifestError(msg)
    networks = [
        load_network(folder / n, package.plan, compute) for n in package.networks
    ]
    members = tuple(zip(networks, package.fold_values, strict=True))
    return Model(package, members, sha256_file(folder / PACKAGE_FILE))
