"""How fast does fine-tuning go, how far is that from what the device can do, where is the time?

python benchmarks/finetune.py [--backbone random:tf_efficientnetv2_s] [--side 300] [--batch 128]
    [--device auto] [--trained 1.0] [--steps 10] [--plain] [--compile] [--run 4096]

Drawn photos, weights as drawn too: only time is measured. The ceiling is the best rate of a large
matrix product in the same number format. The step alone takes its photos from the device's memory;
--run N also fine-tunes on N photos as `shelfsure finetune` does, from files, all included.
On GPUs float32, cuDNN's own choice of algorithms and --compile (torch.compile) are compared, and
kernels are timed by kind. --plain leaves out what a run does beyond timm's model: folded norms and,
on CPUs, kept memory and depthwise convolutions in float32.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.device import Precision, autocast, keep_memory, pick_device, pick_precision
from shelfsure.embedding.run_options import RunOptions
from shelfsure.finetuning.backbones import build_backbone, depthwise_in_float32, train_layers
from shelfsure.finetuning.batchnorm_folding import fold_norms
from shelfsure.finetuning.config import FinetuneConfig, Stage
from shelfsure.finetuning.data import Photos, TrainingPhotos
from shelfsure.finetuning.run import finetune
from shelfsure.finetuning.schedule import Draw
from torch.utils.flop_counter import FlopCounterMode

CATEGORIES = 150
KINDS = {  # parts of kernels' names, first match counts
    "depthwise convolution": ("depthwise", "dgrad2d_grouped", "conv2d_grouped", "_dw", "group"),
    "convolution, matrix product": ("gemm", "conv", "xmma", "cutlass", "fprop", "dgrad", "wgrad"),
    "batch norm": ("batch_norm", "bn_"),
    "AdamW, clipping": ("multi_tensor", "foreach"),
    "copies, casts": ("memcpy", "memset", "copy", "nchw", "nhwc", "transpose"),
    "reductions": ("reduce",),
    "elementwise": ("elementwise", "vectorized", "triton_"),
}


def seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Time one repeat, after two that warm up."""
    work()
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


@dataclass
class Steps:
    """Training steps of one network on one batch."""

    options: argparse.Namespace
    device: str
    precision: Precision

    def __post_init__(self) -> None:
        options, device = self.options, self.device
        self.model = build_backbone(options.backbone, CATEGORIES).model
        self.model.to(device).to(memory_format=torch.channels_last).train()
        for part in self.model.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.eval()
        if not options.plain:
            fold_norms(self.model)
            if device == "cpu":
                keep_memory()
                depthwise_in_float32(self.model)
        train_layers(self.model, options.trained)
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(learning)
        shape = (options.batch, 3, options.side, options.side)
        self.photos = torch.randn(shape, device=device).contiguous(
            memory_format=torch.channels_last
        )
        self.labels = torch.randint(0, CATEGORIES, (options.batch,), device=device)
        self.answer: Any = self.model

    def forward(self) -> torch.Tensor:
        with autocast(self.device, self.precision):
            logits = self.answer(self.photos).float()
        return torch.nn.functional.cross_entropy(logits, self.labels)

    def learn(self) -> None:
        self.forward().backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self.learn()
        self.optimiser.step()
        self.optimiser.zero_grad()

    def flops(self) -> int:
        """Count a step's work as three forwards; PyTorch counts too many in depthwise backwards."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.forward()
        return 3 * int(counter.get_total_flops())

    def rate(self) -> float:
        """Photos/s."""
        return float(self.options.batch / seconds(self.step, self.device, int(self.options.steps)))


def kernel_shares(steps: Steps) -> list[tuple[str, float]]:
    """Share of the GPU's busy time by kind of kernel."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        steps.step()
        wait(steps.device)
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        name = event.key.lower()
        kind = next((k for k, parts in KINDS.items() if any(p in name for p in parts)), "other")
        spent[kind] += event.self_device_time_total
    return [(kind, us / spent.total()) for kind, us in spent.most_common()]


def variants(options: argparse.Namespace, device: str, precision: Precision) -> Table:
    """Compare a GPU's ways to do the same step, in turns."""
    table = Table("variant", "photos/s", "ratio")
    steps = Steps(options, device, precision)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(True, warn_only=True)  # as in a run
    base = steps.rate()
    table.add_row(f"{precision}, deterministic, as in a run", f"{base:,.0f}", "1.00")

    def compare(name: str, other: Steps) -> None:
        rate = other.rate()
        table.add_row(name, f"{rate:,.0f}", f"{rate / base:.2f}")

    torch.utils.deterministic.fill_uninitialized_memory = True
    compare("new memory filled, PyTorch's default then", steps)
    torch.use_deterministic_algorithms(False)
    compare("not deterministic", steps)
    torch.backends.cudnn.benchmark = True
    compare("cuDNN's fastest algorithms", steps)
    torch.backends.cudnn.benchmark = False
    if options.compile:
        steps.answer = torch.compile(steps.model)
        compare("torch.compile", steps)
    del steps
    torch.cuda.empty_cache()
    if not options.plain:
        plain = argparse.Namespace(**vars(options) | {"plain": True})
        compare("norms not folded", Steps(plain, device, precision))
        torch.cuda.empty_cache()
    compare("float32", Steps(options, device, "float32"))
    return table


def run_rate(options: argparse.Namespace, device: str) -> float:
    """Fine-tune on drawn photos as the command does, and give its median photos/s."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder, listings = Path(name), []
        for number in range(options.run):
            path = folder / f"{number}.jpg"
            blocks = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(blocks).resize((500, 500)).save(path, quality=90)
            category = f"c{number % min(CATEGORIES, options.run // 10)}"
            listings.append(Listing(str(number), "", path, category=category))
        stage = Stage(trained_fraction=options.trained, side_px=options.side, strength=0.7)
        config = FinetuneConfig(
            backbone=options.backbone,
            batch_size=options.batch,
            stages=(stage,),
            epochs=3,
            checkpoint_steps=max(1, options.run // options.batch // 2),
            batch_norm="frozen",
            titles=0,
        )
        result = finetune(
            Catalog.from_listings(listings, need_category=True),
            folder / "ft",
            config,
            options=RunOptions(device=device),
        )
        if result is None:
            raise SystemExit("A run on one device has a result.")
    return float(np.median([point["photos_per_s"] for point in result.facts["history"]]))


def augment_seconds(side_px: int) -> float:
    """Time augmentation of one photo on one core."""
    blocks = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    squares = blocks.repeat(32, axis=1).repeat(32, axis=2)
    data = TrainingPhotos(Photos(squares, np.arange(8)), FinetuneConfig())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    numbers = iter(range(1000))

    def augmented() -> object:
        number = next(numbers)
        return data[Draw(number % 8, number, side_px, 0.7)]

    taken = seconds(augmented, "cpu", 40)
    torch.set_num_threads(threads)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="random:tf_efficientnetv2_s")
    parser.add_argument("--side", type=int, default=300)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--trained", type=float, default=1.0, help="fraction of the layers")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--plain", action="store_true", help="the bare model of timm")
    parser.add_argument("--compile", action="store_true", help="try torch.compile, minutes more")
    parser.add_argument("--run", type=int, default=0, metavar="N", help="fine-tune on N photos")
    options = parser.parse_args()
    device = pick_device(options.device)
    precision = pick_precision("auto", device)
    steps = Steps(options, device, precision)
    flops = steps.flops()
    forward_s = seconds(steps.forward, device, options.steps)
    learn_s = seconds(steps.learn, device, options.steps)
    step_s = options.batch / steps.rate()
    best, augment_s = ceiling(device, precision), augment_seconds(options.side)
    title = f"{options.backbone} at {options.side} px, {options.batch} photos a step, on {device}"
    table = Table("what", "value", title=title)
    table.add_row("number format", precision)
    table.add_row("photos/s", f"{options.batch / step_s:,.1f}")
    table.add_row("forward", f"{1e3 * forward_s / options.batch:.3f} ms/photo")
    table.add_row("backward", f"{1e3 * (learn_s - forward_s) / options.batch:.3f} ms/photo")
    table.add_row("AdamW", f"{1e3 * (step_s - learn_s) / options.batch:.3f} ms/photo")
    table.add_row("work, as three forwards", f"{flops / options.batch / 1e9:.2f} GFLOP/photo")
    table.add_row("the best matrix product", f"{best / 1e12:,.1f} TFLOP/s")
    table.add_row("share of the matrix-product rate", f"{flops / step_s / best:.1%}")
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        steps.step()
        table.add_row("memory", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        for kind, share in kernel_shares(steps):
            table.add_row(f"GPU time: {kind}", f"{share:.1%}")
    table.add_row("augmentation, one core", f"{1 / augment_s:,.0f} photos/s")
    table.add_row("cores that keep up", f"{options.batch / step_s * augment_s:.1f}")
    del steps
    Console().print(table)
    if device.startswith("cuda"):
        Console().print(variants(options, device, precision))
    if options.run:
        rate = run_rate(options, device)
        Console().print(f"A whole run: {rate:,.1f} photos/s, {rate * step_s / options.batch:.2f}")


if __name__ == "__main__":
    main()
