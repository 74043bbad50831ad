"""Which models on how many of which GPUs, with which weights, the zoo has: what fits, and whose kernels it takes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from composing import MIXED, Kernels
from shapes import MODELS, Shape

from messsim.engines.memory import OTHER_BYTES, SHARE

__all__ = ["GPUS", "Cell", "Gpu", "cells", "weights_bytes"]


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name in full, its system in aiconfigurator-core, memory, power, GPUs of a node, and its weights."""

    name: str
    system: str
    memory_bytes: int
    tdp_w: float
    idle_w: float
    node: int
    weights: tuple[str, ...]
    source: str


_IDLE = "idle power with a CUDA context: Vadari, The Model Parking Tax, arXiv 2605.23918"
_SHARE = "idle power assumed: 0.174 of TDP, as the H100's"
_NEW = ("bf16", "fp8", "nvfp4", "mxfp4")
GPUS: dict[str, Gpu] = {
    "A100": Gpu("A100-80GB-SXM", "a100_sxm", 80 * 2**30, 400.0, 80.0, 8, ("bf16", "mxfp4"),
                f"NVIDIA data sheet (80 GB, 400 W); {_IDLE}, there a PCIe card of 300 W"),
    "H100": Gpu("H100-80GB-SXM", "h100_sxm", 80 * 2**30, 700.0, 121.7, 8, ("bf16", "fp8", "mxfp4"),
                f"NVIDIA data sheet (80 GB, 700 W); {_IDLE}"),
    "H200": Gpu("H200-141GB-SXM", "h200_sxm", 151_400_000_000, 700.0, 121.7, 8, ("bf16", "fp8", "mxfp4"),
                "NVIDIA data sheet (141 GB, 700 W); idle power assumed: the H100's"),
    "B200": Gpu("B200-180GB-SXM", "b200_sxm", 193_300_000_000, 1000.0, 174.0, 8, _NEW,
                f"aiconfigurator-core 0.12.0 (180 GiB, 1000 W); {_SHARE}"),
    "B300": Gpu("B300-288GB-SXM", "b300_sxm", 288_400_000_000, 1100.0, 191.0, 8, _NEW,
                f"aiconfigurator-core 0.12.0 (288 GB, 1100 W); {_SHARE}"),
    "GB200": Gpu("GB200-186GB", "gb200", 198_700_000_000, 1200.0, 209.0, 4, _NEW,
                 f"aiconfigurator-core 0.12.0 (186 GB, 1200 W); {_SHARE}"),
    "L40S": Gpu("L40S-48GB", "l40s", 48 * 10**9, 350.0, 102.1, 8, ("bf16", "fp8"),
                f"NVIDIA data sheet (48 GB, 350 W); {_IDLE}"),
    "RTX-PRO-6000": Gpu("RTX-PRO-6000-96GB", "rtx_pro_6000_server", 102_600_000_000, 600.0, 104.0, 8, _NEW,
                        f"aiconfigurator-core 0.12.0 (96 GB, 600 W); {_SHARE}"),
}  # fmt: skip

# Bytes of a weight: 4-bit numbers share a scale of 8 bits in blocks of 16 (nvfp4) or 32 (mxfp4).
_BYTES = {"bf16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625, "mxfp4": 0.53125}
LEAST_CAPACITY = 20_000  # cached tokens below which no server is worth running
MANY_EXPERTS = 128  # of a layer; drawn knowing how servers of models with 128 and 256 were predicted
LEAST_SHARD = 0.046  # share of a GPU's memory that its weights take, below which more GPUs are no use


@dataclass(frozen=True)
class Cell:
    """A model with weights of one kind on `tp` GPUs of one kind."""

    model: str
    gpu: str
    weights: str
    tp: int
    capacity: int
    kernels: tuple[tuple[Kernels, ...], ...]

    @property
    def name(self) -> str:
        """As a profile is named."""
        return f"{self.model}/{self.gpu}/tp{self.tp}" + ("" if self.weights == "bf16" else f"/{self.weights}")


def weights_bytes(shape: Shape, weights: str) -> int:
    """Bytes of the weights; embedding and output projection stay in bf16, with mxfp4 all but the experts."""
    small = shape.parameters - shape.embedding
    if weights == "mxfp4":
        small = 3 * shape.hidden * shape.inter * shape.experts * shape.layers
    return int(small * _BYTES[weights]) + 2 * (shape.parameters - small)


def capacity_tokens(shape: Shape, gpu: Gpu, weights: str, tp: int) -> int:
    """Cached tokens in bf16 that fit; a latent cache stands on each GPU."""
    left = int(SHARE * gpu.memory_bytes) * tp - weights_bytes(shape, weights) - OTHER_BYTES * tp
    a_token = 2 * shape.kv_numbers_per_token
    copies = tp if shape.latent else max(1, tp // shape.kv_heads)
    return left // (a_token * copies)


def _kinds(shape: Shape, gpu: Gpu) -> tuple[str, ...]:
    """Weights that people run: the 4-bit kinds of large models only."""
    if shape.published == "mxfp4":
        return ("mxfp4",) if "mxfp4" in gpu.weights else ()
    if shape.published == "fp8":
        return tuple(w for w in ("fp8", "nvfp4") if w in gpu.weights)
    kinds = ["bf16"]
    if "fp8" in gpu.weights and shape.parameters > 2_000_000_000:
        kinds += ["fp8", "fp8_block"] if shape.blocks else ["fp8"]
    if "nvfp4" in gpu.weights and shape.parameters > 7_000_000_000:
        kinds.append("nvfp4")
    return tuple(kinds)


def _kernels(shape: Shape, gpu: Gpu, weights: str) -> tuple[tuple[Kernels, ...], ...]:
    """Whose kernels, best first; of several engines', the least of each part.

    vLLM's where they are sound. In these tables its fp8_block products and latent attention are bound by launches and
    its fp8 experts take five times what others do; on Blackwell its fp8 products and all-reduces take up to 1.4 times
    what servers of that year do, its experts of Mixtral stand 28 % above the others' at 64 tokens, and its
    decode attention where every head has keys of its own takes up to ten times what memory does (A100, one sequence).
    TensorRT-LLM's experts in blocks of fp8 are DeepGEMM's on Blackwell, which fill 128 rows for each: of 256 experts
    2.6 times what SGLang's take for one token, and of DeepSeek's twice for 64 tokens and 1.3 times for 8,192, where
    vLLM's and SGLang's agree. DeepSeek's on Hopper take 2.8, 1.3 and, for 8,192 tokens, 2 to 2.5 times what theirs do.
    Of 128 experts DeepGEMM's take longer for few tokens only, and stay: with SGLang's, full servers of Qwen3-235B on
    B200 were predicted worse, as were SGLang's servers of it on H200 (docs/accuracy.md). Its experts in nvfp4 take
    twice what vLLM's and SGLang's take, which agree, from 256 tokens up, and on B300, which lacks its kernels for few
    tokens, three times for one; those of Mixtral as little as a quarter of the time in which memory hands over their
    weights (GB200, 8 tokens spread evenly: 46 us for 1.36 GB). vLLM's latent attention takes twice the others' on B300.
    """
    moe = shape.experts > 0

    def of(*backends: str, **options: str) -> tuple[tuple[Kernels, ...], ...]:
        return tuple((Kernels(gpu.system, b, options),) for b in backends)

    def least(**options: str) -> tuple[tuple[Kernels, ...], ...]:
        return (tuple(Kernels(gpu.system, b, options) for b in ("vllm", "sglang", "trtllm")),)

    # where nobody says, the cache of a model that is published in fp8 is in fp8 too
    sixteen_bits = {"fmha_quant_mode": "bfloat16", "kvcache_quant_mode": "bfloat16"}
    cache = sixteen_bits if shape.published == "fp8" else {}
    blackwell = "nvfp4" in gpu.weights and gpu.system not in MIXED
    filled = shape.latent or (blackwell and shape.experts > MANY_EXPERTS)
    by_block = ("sglang", "trtllm") if filled else ("trtllm", "sglang")
    every_head = shape.heads == shape.kv_heads and not shape.latent
    if weights == "bf16":
        return (least() if shape.experts == 8 or every_head else ()) + of("vllm", "sglang", "trtllm") + least()
    if weights == "mxfp4":
        sixteen = Kernels(gpu.system, "vllm", {"moe_quant_mode": "w4a16_mxfp4"})
        eight = Kernels(gpu.system, "trtllm", {"moe_quant_mode": "w4a8_mxfp4_mxfp8"})
        # timed on one GPU alone; on RTX PRO 6000 experts of 16 bits are quicker on several
        several = ((replace(eight, share=sixteen),),) if gpu.system not in MIXED else ()
        return (((eight,), *several) if "nvfp4" in gpu.weights else ()) + of(
            "vllm", "sglang", "trtllm", moe_quant_mode="w4a16_mxfp4"
        )
    if weights == "fp8_block":
        return of("sglang", "trtllm", gemm_quant_mode="fp8_block")
    if weights == "fp8" and shape.latent:
        block = {"gemm_quant_mode": "fp8_block", "moe_quant_mode": "fp8_block"}
        return of(*by_block, **block | cache)
    if weights == "fp8" and moe:
        block = {"gemm_quant_mode": "fp8_block", "moe_quant_mode": "fp8_block"}
        plain = {"gemm_quant_mode": "fp8", "moe_quant_mode": "fp8"}
        return of(*by_block, **block | cache) + of("trtllm", **plain | cache)
    if weights == "fp8":
        return (
            (least(gemm_quant_mode="fp8") if blackwell or every_head else ())
            + of("vllm", "trtllm", "sglang", gemm_quant_mode="fp8")
            + least(gemm_quant_mode="fp8")
        )
    four = {"gemm_quant_mode": "nvfp4"} | ({"moe_quant_mode": "nvfp4"} if moe else {})
    last = ("sglang", "trtllm") if moe and shape.experts != 8 else ("trtllm", "sglang")
    engines = ("sglang", "vllm", "trtllm") if shape.latent else ("vllm", *last)
    return of(*engines, **four, **cache)


def cells() -> Iterator[Cell]:
    """Every cell that fits, system by system."""
    for gpu_name, gpu in GPUS.items():
        for model, shape in MODELS.items():
            for weights in _kinds(shape, gpu):
                for tp in (1, 2, 4, 8):
                    capacity = capacity_tokens(shape, gpu, weights, tp)
                    small = tp > 1 and weights_bytes(shape, weights) / tp < LEAST_SHARD * gpu.memory_bytes
                    if tp > gpu.node or capacity < LEAST_CAPACITY or small or shape.heads % tp:
                        continue
                    yield Cell(model, gpu_name, weights, tp, capacity, _kernels(shape, gpu, weights))
