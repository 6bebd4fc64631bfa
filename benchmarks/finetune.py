"""How fast does fine-tuning go, how far is that from what the device can do, where is the time?

python benchmarks/finetune.py [--backbone random:tf_efficientnetv2_s] [--side 300] [--batch 128]
    [--device auto] [--trained 1.0] [--steps 10] [--plain]

Drawn photos, weights as drawn too: only time is measured. The ceiling is the best rate of a large
matrix product in the same number format. Reading photos isn't counted: decoded ones are kept.
--plain leaves out what a run does for CPUs: keeping memory, and depthwise convolutions in float32.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from shelfsure.device import autocast, pick_device, pick_precision
from shelfsure.finetuning.backbones import build_backbone, depthwise_in_float32, train_layers
from shelfsure.finetuning.config import FinetuneConfig
from shelfsure.finetuning.data import Photos, TrainingPhotos
from shelfsure.finetuning.kept_memory import keep_memory
from shelfsure.finetuning.plan import Draw
from torch.utils.flop_counter import FlopCounterMode


def seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Time one repeat, after one that warms up."""
    work()
    wait(device)
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    wait(device)
    return (time.perf_counter() - started) / repeats


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def ceiling(device: str, precision: str) -> float:
    """FLOP/s of a large square matrix product."""
    side = 8192 if device.startswith("cuda") else 2048
    kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    return 2 * side**3 / seconds(lambda: left @ right, device, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="random:tf_efficientnetv2_s")
    parser.add_argument("--side", type=int, default=300)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--trained", type=float, default=1.0, help="fraction of the layers")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--plain", action="store_true", help="without the help for CPUs")
    options = parser.parse_args()
    device = pick_device(options.device)
    precision = pick_precision("auto", device)
    model = build_backbone(options.backbone, 150).model
    model.to(device).to(memory_format=torch.channels_last).train()
    if device == "cpu" and not options.plain:
        keep_memory()
        depthwise_in_float32(model)
    for part in model.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.eval()
    train_layers(model, options.trained)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    shape = (options.batch, 3, options.side, options.side)
    photos = torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 150, (options.batch,), device=device)

    def forward() -> torch.Tensor:
        with autocast(device, precision):
            return torch.nn.functional.cross_entropy(model(photos).float(), labels)

    def learn() -> None:
        forward().backward()  # type: ignore[no-untyped-call]

    def step() -> None:
        learn()
        optimiser.step()
        optimiser.zero_grad()

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward()
    flops = 3 * counter.get_total_flops()  # PyTorch's own count of a depthwise backward is too high
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    forward_s = seconds(forward, device, options.steps)
    learn_s = seconds(learn, device, options.steps)
    step_s = seconds(step, device, options.steps)
    best = ceiling(device, precision)
    squares = np.random.default_rng(0).integers(0, 256, (8, 384, 384, 3), dtype=np.uint8)
    data = TrainingPhotos(Photos(squares, np.arange(8)), FinetuneConfig())  # type: ignore[arg-type]
    torch.set_num_threads(1)
    numbers = iter(range(1000))

    def augmented() -> object:
        number = next(numbers)
        return data[Draw(number % 8, number, options.side, 0.7)]

    augment_s = seconds(augmented, "cpu", 40)
    table = Table("what", "value", title=f"{options.backbone} at {options.side} px on {device}")
    table.add_row("number format", precision)
    table.add_row("photos/s", f"{options.batch / step_s:,.1f}")
    table.add_row("forward", f"{1e3 * forward_s / options.batch:.2f} ms/photo")
    table.add_row("backward", f"{1e3 * (learn_s - forward_s) / options.batch:.2f} ms/photo")
    table.add_row("AdamW", f"{1e3 * (step_s - learn_s) / options.batch:.2f} ms/photo")
    table.add_row("work, as three forwards", f"{flops / options.batch / 1e9:.2f} GFLOP/photo")
    table.add_row("share of the matrix-product rate", f"{flops / step_s / best:.1%}")
    if device.startswith("cuda"):
        table.add_row("memory", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    table.add_row("augmentation, one core", f"{1 / augment_s:,.0f} photos/s")
    table.add_row("cores that keep up", f"{options.batch / step_s * augment_s:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
