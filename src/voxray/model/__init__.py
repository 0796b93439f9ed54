"""Networks, the machine they run on, prediction, and the model folder."""

from voxray.model.device import Compute, choose_compute, is_out_of_memory
from voxray.model.heads import class_probabilities
from voxray.model.inference import (
    Member,
    Probabilities,
    apply_fold_values,
    centre_slices,
    fit_to,
    predict,
    predict_ensemble,
)
from voxray.model.memory import fitting_exams, memory_limit, step_memory
from voxray.model.networks import NetworkOutput, VoxrayNetwork
from voxray.model.package import (
    CARD_FILE,
    PACKAGE_FILE,
    Model,
    hash_files,
    load_model,
    load_network,
    read_package,
    save_network,
    write_package,
)

__all__ = [
    "CARD_FILE",
    "PACKAGE_FILE",
    "Compute",
    "Member",
    "Model",
    "NetworkOutput",
    "Probabilities",
    "VoxrayNetwork",
    "apply_fold_values",
    "centre_slices",
    "choose_compute",
    "class_probabilities",
    "fit_to",
    "fitting_exams",
    "hash_files",
    "is_out_of_memory",
    "load_model",
    "load_network",
    "memory_limit",
    "predict",
    "predict_ensemble",
    "read_package",
    "save_network",
    "step_memory",
    "write_package",
]
