"""The one place that chooses device, precision and memory layout."""

import gc
import shutil
import sysconfig
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from voxray.core.errors import ConfigError

DeviceChoice = Literal["auto", "cpu", "cuda"]
_WEIGHT_AXES = 5  # of a 3D convolution: (out, in, i, j, k)
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True, slots=True)
class Compute:
    """How networks run on this machine.

    Attributes:
        device: "cpu" or "cuda".
        precision: Lightning Fabric's name for it.
        compiled: Whether networks go through `torch.compile`.
        reason: Why, for a person.
    """

    device: Literal["cpu", "cuda"]
    precision: Precision
    compiled: bool
    reason: str

    @property
    def torch_device(self) -> torch.device:
        """Where tensors live."""
        return torch.device(self.device)

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision for prediction; training gets the same from Fabric."""
        dtype = torch.float16 if self.precision == "16-mixed" else torch.bfloat16
        enabled = self.precision != "32-true"
        context: AbstractContextManager[None] = torch.autocast(
            self.device, dtype=dtype, enabled=enabled
        )
        return context

    @property
    def memory_format(self) -> torch.memory_format:
        """Contiguous for bfloat16 on a CPU, channels last elsewhere.

        Measured, not derived: docs/decisions/0019. It follows from device and precision
        alone, so that a run repeats on the same machine.
        """
        if self.device == "cpu" and self.precision == "bf16-mixed":
            return torch.contiguous_format
        return torch.channels_last_3d

    @property
    def runs_beside(self) -> bool:
        """Whether work is queued and runs beside the processor."""
        return self.device == "cuda"

    def wait(self) -> None:
        """Until all queued work is done."""
        if self.runs_beside:
            torch.cuda.synchronize()

    def release(self) -> None:
        """Give back memory that is kept for later use, after running out of it."""
        gc.collect()
        if self.runs_beside:
            torch.cuda.empty_cache()

    def pin(self, batch: torch.Tensor) -> torch.Tensor:
        """Put a batch where a GPU can fetch it while the processor goes on."""
        return batch.pin_memory() if self.runs_beside else batch

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device in its layout."""
        placed = network.to(self.torch_device)
        for parameter in placed.parameters():
            if parameter.dim() == _WEIGHT_AXES:
                parameter.data = parameter.data.contiguous(
                    memory_format=self.memory_format
                )
        return placed

    def compile(self, network: nn.Module) -> None:
        """Compile a placed network that will be trained, if that pays.

        Never one that predicts: scans of many shapes would each wait for kernels, and
        get others depending on what came before.
        """
        if self.compiled:
            network.compile()

    def send(self, batch: torch.Tensor) -> torch.Tensor:
        """Move a batch (n, channel, i, j, k) to the device in its layout."""
        sent = batch.to(self.torch_device, non_blocking=True)
        return sent.contiguous(memory_format=self.memory_format)


def choose_compute(choice: DeviceChoice = "auto") -> Compute:
    """Pick what is fastest here without loss that matters.

    Raises:
        ConfigError: If CUDA is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if choice == "cuda" and not has_cuda:
        msg = "train.device is 'cuda', but no CUDA device is visible; use 'auto'"
        raise ConfigError(msg)
    if has_cuda and choice != "cpu":
        return _on_cuda()
    return _on_cpu()


def _on_cuda() -> Compute:
    name = torch.cuda.get_device_name()
    if torch.cuda.is_bf16_supported(including_emulation=False):
        if _can_compile():
            reason = f"{name}, bfloat16"
            return Compute("cuda", "bf16-mixed", compiled=True, reason=reason)
        reason = (
            f"{name}, bfloat16; not compiled, since a C compiler or the headers of "
            "Python are missing: training is slower"
        )
        return Compute("cuda", "bf16-mixed", compiled=False, reason=reason)
    reason = f"{name} has no bfloat16: half precision with loss scaling"
    return Compute("cuda", "16-mixed", compiled=False, reason=reason)


def _can_compile() -> bool:
    """Whether Triton finds what it makes kernels with, while it runs."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    return any(map(shutil.which, ("cc", "gcc", "clang"))) and header.is_file()


def _on_cpu() -> Compute:
    if _cpu_has_bfloat16():
        reason = "CPU with native bfloat16"
        return Compute("cpu", "bf16-mixed", compiled=False, reason=reason)
    reason = "CPU without native bfloat16, where emulation is slower than 32-bit floats"
    return Compute("cpu", "32-true", compiled=False, reason=reason)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, of a GPU or of the processor.

    The allocator of the processor raises a plain `RuntimeError` (alloc_cpu.cpp).
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, RuntimeError) and any(w in str(error) for w in words)


def _cpu_has_bfloat16() -> bool:
    """Whether the instruction set has it; oneDNN emulates it at half the speed."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
