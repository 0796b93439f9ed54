import json

import numpy as np
import pytest

from tests.unit.model.makers import (
    PLAIN_CPU,
    a_network,
    a_package,
    a_plan,
    predicted,
    predicted_together,
    write_model,
)
from voxray.core.errors import ConfigError, ManifestError
from voxray.model import (
    PACKAGE_FILE,
    load_model,
    load_network,
    read_package,
    save_network,
    write_package,
)


def an_image():
    return np.random.default_rng(1).normal(size=(1, 16, 20, 12)).astype(np.float32)


def test_a_loaded_model_predicts_what_was_saved(tmp_path):
    sha256 = write_model(tmp_path)
    plan = a_plan()
    model = load_model(tmp_path, PLAIN_CPU)
    said, _ = predicted_together(model.members, an_image(), plan)
    saved = [predicted(a_network(plan, n), an_image(), plan) for n in (0, 1)]
    mean = (saved[0].masks + saved[1].masks) / 2
    np.testing.assert_allclose(said.masks, mean, atol=1e-6)
    assert model.sha256 == sha256
    assert not any(network.training for network, _ in model.members)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    hashes = [write_model(tmp_path / name) for name in "ab"]
    assert hashes[0] == hashes[1]
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_there_is_no_pickle_in_the_folder(tmp_path):
    write_model(tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "package.json",
        "card.md",
        "fold_0.safetensors",
        "fold_1.safetensors",
    }
    for file in tmp_path.iterdir():
        assert not file.read_bytes().startswith((b"PK", b"\x80"))


@pytest.mark.parametrize("name", ["fold_1.safetensors", "card.md"])
@pytest.mark.parametrize("damage", ["byte", "gone"])
def test_a_changed_file_is_noticed(tmp_path, name, damage):
    write_model(tmp_path)
    file = tmp_path / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    if damage == "byte":
        file.write_bytes(content)
    with pytest.raises(ManifestError, match=f"'{name}' is missing or was changed"):
        load_model(tmp_path, PLAIN_CPU)


@pytest.mark.parametrize("name", ["extra.pkl", "figures/Weights.PT", "setup.py"])
def test_unlisted_files_that_may_hold_code_are_refused(tmp_path, name):
    write_model(tmp_path)
    (tmp_path / "stage.json").write_text("{}")
    read_package(tmp_path)

    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")

    with pytest.raises(ManifestError, match=f"holds '{name}', which package.json does"):
        read_package(tmp_path)


def test_a_folder_without_package_is_no_model(tmp_path):
    with pytest.raises(ConfigError, match=r"no model folder: it has no package\.json"):
        read_package(tmp_path)


def test_a_package_of_another_schema_is_refused(tmp_path):
    write_model(tmp_path)
    path = tmp_path / PACKAGE_FILE
    said = json.loads(path.read_text()) | {"schema_version": 99}
    path.write_text(json.dumps(said))
    with pytest.raises(ManifestError, match="not written by this version of voxray"):
        read_package(tmp_path)


def test_weights_without_a_hash_are_refused(tmp_path):
    write_model(tmp_path)
    path = tmp_path / PACKAGE_FILE
    said = json.loads(path.read_text())
    del said["files"]["fold_1.safetensors"]
    path.write_text(json.dumps(said))
    with pytest.raises(ManifestError, match=r"no hash for \['fold_1.safetensors'\]"):
        load_model(tmp_path, PLAIN_CPU)


def test_weights_of_another_plan_are_refused(tmp_path):
    plan = a_plan("segment")
    save_network(tmp_path / "fold_0.safetensors", a_network(plan).state_dict())
    with pytest.raises(ManifestError, match="does not fit its plan"):
        load_network(tmp_path / "fold_0.safetensors", a_plan("classify"), PLAIN_CPU)


def test_torn_weights_are_refused(tmp_path):
    file = tmp_path / "fold_0.safetensors"
    save_network(file, a_network(a_plan()).state_dict())
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ManifestError, match="is damaged or does not fit"):
        load_network(file, a_plan(), PLAIN_CPU)


def test_the_package_hashes_every_other_file(tmp_path):
    write_model(tmp_path)
    listed = set(read_package(tmp_path).files)
    assert listed == {p.name for p in tmp_path.iterdir()} - {PACKAGE_FILE}


def test_a_package_without_its_weights_is_not_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_package(tmp_path, a_package(a_plan()), "card")
    assert not (tmp_path / PACKAGE_FILE).exists()
