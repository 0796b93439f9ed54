"""One network that learns: a step, and the state that steps change."""

import copy
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric

from voxray.model import Compute, VoxrayNetwork
from voxray.train.augment import apply_to_image, apply_to_mask, draw, mix
from voxray.train.batches import Batch
from voxray.train.job import FoldJob
from voxray.train.losses import TaskLoss
from voxray.train.recipe import CLIP_NORM, average_decay, weight_decay
from voxray.train.stopwatch import Stopwatch


class Drawing(NamedTuple):
    """Random streams of an epoch.

    Attributes:
        choice: Decides what is done to a batch; on the processor.
        noise: Fills whole batches, so it is where they are.
    """

    choice: torch.Generator
    noise: torch.Generator


class Learner:
    """Network, its moving average, optimiser and loss of one fold."""

    def __init__(self, job: FoldJob, compute: Compute) -> None:
        self.plan, self.compute = job.plan, compute
        job.seed.seed_process(epoch=0)
        self.fabric = Fabric(
            accelerator=compute.device, devices=1, precision=compute.precision
        )
        self.bare = compute.place(VoxrayNetwork(job.plan, job.values.class_share))
        self.average = copy.deepcopy(self.bare).requires_grad_(requires_grad=False)
        compute.compile(self.bare)
        scales = compute.precision == "16-mixed"
        optimizer = torch.optim.AdamW(
            self.bare.parameters(),
            job.spec.learning_rate,
            weight_decay=weight_decay(job.plan, job.spec.weight_decay),
            fused=not scales,  # a fused one unscales by itself, after the clipping
        )
        self.network, self.optimizer = self.fabric.setup(self.bare, optimizer)
        self.loss = TaskLoss(job.plan, job.values, compute.torch_device)
        self.scales = scales

    def state(self) -> dict[str, Any]:
        """Of network, average, optimiser and loss scaling."""
        return {
            "network": self.bare.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a state that `state` gave."""
        self.optimizer.zero_grad(set_to_none=True)
        self.bare.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])

    def train_step(
        self, batch: Batch, rate: float, micro_batch: int, step: int, watch: Stopwatch
    ) -> torch.Tensor:
        """One optimiser step on an augmented batch.

        Args:
            batch: On the device.
            rate: Learning rate.
            micro_batch: Exams that go through the network at once.
            step: Steps done before; decides how long the average remembers.
            watch: Gets the laps.

        Returns:
            The loss, not read yet; NaN when loss or gradient is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._backward(batch, micro_batch)
        watch.lap("forward_backward")
        norm = self.fabric.clip_gradients(
            self.network, self.optimizer, max_norm=CLIP_NORM, error_if_nonfinite=False
        )
        if not self.scales:  # loss scaling tries too large scales, and skips the step
            loss = torch.where(torch.isfinite(torch.as_tensor(norm)), loss, torch.nan)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.update_average(step)
        watch.lap("optimiser")
        return loss

    def _backward(self, batch: Batch, micro_batch: int) -> torch.Tensor:
        """Gradients of the whole batch, by parts; returns its loss."""
        n_exams = len(batch.image)
        losses = []
        for part in _parts(batch, micro_batch):
            loss = self.loss(self.network(part.image), part)
            loss = loss * (len(part.image) / n_exams)
            self.fabric.backward(loss)
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Move the averaged weights to the present ones; running statistics are copied.

        Args:
            step: Steps done before this one; decides how long the average remembers.
        """
        averaged, current = (
            [p.data for p in network.parameters()]
            for network in (self.average, self.bare)
        )
        torch._foreach_lerp_(averaged, current, 1 - average_decay(step))
        for kept, statistic in zip(
            self.average.buffers(), self.bare.buffers(), strict=True
        ):
            kept.copy_(statistic)

    def augmented(self, batch: Batch, drawing: Drawing, strength: float) -> Batch:
        """The batch on the device, turned and changed at random."""
        drawn = draw(self.plan, len(batch.image), drawing.choice, strength)
        drawn = drawn.each(self.compute.pin)
        send, device = self.compute.send, self.compute.torch_device
        mask, classes = batch.mask, batch.classes
        return Batch(
            send(mix(apply_to_image(send(batch.image), drawn, drawing.noise), drawn)),
            None if mask is None else send(apply_to_mask(send(mask), drawn)),
            None
            if classes is None
            else mix(classes, drawn).to(device, non_blocking=True),
        )


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    if size >= len(batch.image):
        yield batch
        return
    for begin in range(0, len(batch.image), size):
        part = slice(begin, begin + size)
        yield batch.each(itemgetter(part))
