"""Shapes of the built-in models: what config.json of each says, and the parameters and bytes that follow from it."""

from dataclasses import dataclass
from typing import Any

__all__ = ["MODELS", "Shape"]

_LLAMA = "Llama {} Community License"


@dataclass(frozen=True)
class Shape:
    """A transformer as its config.json and model card describe it.

    Attributes
    ----------
    public
        The checkpoint whose config.json this is.
    hidden, layers, heads, kv_heads, head_dim, inter, vocab
        Sizes; `inter` is that of one expert where there are experts.
    tied
        Whether the output projection is the embedding.
    bias
        Whether queries, keys and values have biases.
    qk_norm
        Whether queries and keys are normalised per head.
    norms
        Normalisations a layer, of `hidden` weights each.
    experts, top_k
        Experts a layer, and those a token uses; 0 for a dense model.
    stated
        (parameters, active parameters) where the model card states what these sizes do not give.
    config
        Name of the configuration in aiconfigurator-core, if it has one.
    latent
        Cached numbers a token and layer of multi-head latent attention, on every GPU; 0: keys and values of each head.
    full_layers
        Layers that look back at every token; the others of gpt-oss, whose window is 128, hold next to nothing. 0: all.
    shared
        Width of the expert that every token uses beside its own, where aiconfigurator-core leaves it out.
    blocks
        Whether its publisher also offers it in fp8 with a scale for each block of 128 x 128 weights.
    published
        The weights in which its publisher offers it first.
    alike
        Models of the same shape, which share its profiles.
    """

    public: str
    licence: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inter: int
    vocab: int
    tied: bool = False
    bias: bool = False
    qk_norm: bool = False
    norms: int = 2
    experts: int = 0
    top_k: int = 0
    stated: tuple[int, int] | None = None
    config: str | None = None
    latent: int = 0
    full_layers: int = 0
    shared: int = 0
    blocks: bool = False
    published: str = "bf16"
    alike: tuple[str, ...] = ()

    @property
    def embedding(self) -> int:
        """Parameters of the embedding and of the output projection."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """Parameters of the model."""
        return self.stated[0] if self.stated else self._with_experts(max(self.experts, 1))

    @property
    def active_parameters(self) -> int:
        """Parameters that a token uses."""
        if self.stated:
            return self.stated[1]
        return self._with_experts(self.top_k) if self.experts else self.parameters

    def _with_experts(self, experts: int) -> int:
        heads, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = self.hidden * (heads + 2 * kv) + heads * self.hidden
        attention += (heads + 2 * kv) * self.bias + 2 * self.head_dim * self.qk_norm
        mlp = 3 * self.hidden * self.inter * experts + self.hidden * self.experts
        return self.embedding + self.layers * (attention + mlp + self.norms * self.hidden) + self.hidden

    @property
    def kv_numbers_per_token(self) -> int:
        """Cached numbers of a token: of all GPUs together, or on each GPU where the cache is latent."""
        return (self.full_layers or self.layers) * (self.latent or 2 * self.kv_heads * self.head_dim)


def _llama3(size: str, public: str, **sizes: Any) -> Shape:
    return Shape(public, _LLAMA.format(size), vocab=128_256, **sizes)


_APACHE, _GEMMA, _MIT = "Apache-2.0", "Gemma Terms of Use", "MIT"
_QWEN25: dict[str, Any] = {"bias": True}
_QWEN3: dict[str, Any] = {"qk_norm": True, "vocab": 151_936, "head_dim": 128}
_QWEN3_DENSE = _QWEN3 | {"blocks": True}

MODELS: dict[str, Shape] = {
    "DeepSeek-V3": Shape(
        "deepseek-ai/DeepSeek-V3", "DeepSeek License Agreement", 7168, 61, 128, 128, 128, 2048, 129_280,
        experts=256, top_k=8, stated=(671_026_419_200, 37_000_000_000), config="deepseek-ai/DeepSeek-V3", latent=576,
        published="fp8", alike=("DeepSeek-R1", "DeepSeek-V3.1"),
    ),
    "Gemma-2-2B": Shape("google/gemma-2-2b", _GEMMA, 2304, 26, 8, 4, 256, 9216, 256_000, tied=True, norms=4),
    "Gemma-2-9B": Shape("google/gemma-2-9b", _GEMMA, 3584, 42, 16, 8, 256, 14_336, 256_000, tied=True, norms=4),
    "Gemma-2-27B": Shape("google/gemma-2-27b", _GEMMA, 4608, 46, 32, 16, 128, 36_864, 256_000, tied=True, norms=4),
    "Gemma-3-4B": Shape(
        "google/gemma-3-4b-it", _GEMMA, 2560, 34, 8, 4, 256, 10_240, 262_208, tied=True, norms=4, qk_norm=True
    ),
    "Gemma-3-12B": Shape(
        "google/gemma-3-12b-it", _GEMMA, 3840, 48, 16, 8, 256, 15_360, 262_208, tied=True, norms=4, qk_norm=True
    ),
    "Gemma-3-27B": Shape(
        "google/gemma-3-27b-it", _GEMMA, 5376, 62, 32, 16, 128, 21_504, 262_208, tied=True, norms=4, qk_norm=True
    ),
    "Llama-2-7B": Shape("meta-llama/Llama-2-7b-hf", _LLAMA.format("2"), 4096, 32, 32, 32, 128, 11_008, 32_000),
    "Llama-2-70B": Shape("meta-llama/Llama-2-70b-hf", _LLAMA.format("2"), 8192, 80, 64, 8, 128, 28_672, 32_000),
    "Llama-3.1-8B": _llama3(
        "3.1", "meta-llama/Llama-3.1-8B", hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128, inter=14_336,
        config="meta-llama/Meta-Llama-3.1-8B", alike=("Llama-3-8B", "DeepSeek-R1-Distill-Llama-8B"),
    ),
    "Llama-3.1-70B": _llama3(
        "3.1", "meta-llama/Llama-3.1-70B", hidden=8192, layers=80, heads=64, kv_heads=8, head_dim=128, inter=28_672,
        config="meta-llama/Meta-Llama-3.1-70B",
        alike=("Llama-3-70B", "Llama-3.3-70B", "DeepSeek-R1-Distill-Llama-70B"),
    ),
    "Llama-3.1-405B": _llama3(
        "3.1", "meta-llama/Llama-3.1-405B", hidden=16_384, layers=126, heads=128, kv_heads=8, head_dim=128,
        inter=53_248, config="meta-llama/Meta-Llama-3.1-405B",
    ),
    "Llama-3.2-1B": _llama3(
        "3.2", "meta-llama/Llama-3.2-1B", hidden=2048, layers=16, heads=32, kv_heads=8, head_dim=64, inter=8192,
        tied=True,
    ),
    "Llama-3.2-3B": _llama3(
        "3.2", "meta-llama/Llama-3.2-3B", hidden=3072, layers=28, heads=24, kv_heads=8, head_dim=128, inter=8192,
        tied=True,
    ),
    "Llama-4-Scout": Shape(
        "meta-llama/Llama-4-Scout-17B-16E-Instruct", _LLAMA.format("4"), 5120, 48, 40, 8, 128, 8192, 202_048,
        experts=16, top_k=1, stated=(107_769_861_120, 17_170_000_000), shared=8192,
        config="meta-llama/Llama-4-Scout-17B-16E-Instruct",
    ),
    "MiniMax-M2.5": Shape(
        "MiniMaxAI/MiniMax-M2.5", "Modified MIT", 3072, 62, 48, 8, 128, 1536, 200_064, qk_norm=True,
        experts=256, top_k=8, config="MiniMaxAI/MiniMax-M2.5", published="fp8", alike=("MiniMax-M2", "MiniMax-M2.1"),
    ),
    "Mistral-7B": Shape("mistralai/Mistral-7B-v0.1", _APACHE, 4096, 32, 32, 8, 128, 14_336, 32_000),
    "Mistral-Nemo-12B": Shape(
        "mistralai/Mistral-Nemo-Base-2407", _APACHE, 5120, 40, 32, 8, 128, 14_336, 131_072, alike=("Mistral-Nemo",)
    ),
    "Mistral-Small-24B": Shape(
        "mistralai/Mistral-Small-24B-Base-2501", _APACHE, 5120, 40, 32, 8, 128, 32_768, 131_072
    ),
    "CodeLlama-34B": Shape(
        "codellama/CodeLlama-34b-hf", _LLAMA.format("2"), 8192, 48, 64, 8, 128, 22_016, 32_000
    ),
    "Yi-34B": Shape("01-ai/Yi-34B", _APACHE, 7168, 60, 56, 8, 128, 20_480, 64_000),
    "Mixtral-8x7B": Shape(
        "mistralai/Mixtral-8x7B-v0.1", _APACHE, 4096, 32, 32, 8, 128, 14_336, 32_000, experts=8, top_k=2,
    ),
    "Mixtral-8x22B": Shape(
        "mistralai/Mixtral-8x22B-v0.1", _APACHE, 6144, 56, 48, 8, 128, 16_384, 32_000, experts=8, top_k=2,
    ),
    "Qwen2.5-0.5B": Shape("Qwen/Qwen2.5-0.5B", _APACHE, 896, 24, 14, 2, 64, 4864, 151_936, tied=True, **_QWEN25),
    "Qwen2.5-1.5B": Shape("Qwen/Qwen2.5-1.5B", _APACHE, 1536, 28, 12, 2, 128, 8960, 151_936, tied=True, **_QWEN25),
    "Qwen2.5-3B": Shape(
        "Qwen/Qwen2.5-3B", "Qwen Research License Agreement", 2048, 36, 16, 2, 128, 11_008, 151_936, tied=True,
        **_QWEN25,
    ),
    "Qwen2.5-7B": Shape(
        "Qwen/Qwen2.5-7B", _APACHE, 3584, 28, 28, 4, 128, 18_944, 152_064, alike=("Qwen2-7B",), **_QWEN25
    ),
    "Qwen2.5-14B": Shape("Qwen/Qwen2.5-14B", _APACHE, 5120, 48, 40, 8, 128, 13_824, 152_064, **_QWEN25),
    "Qwen2.5-32B": Shape("Qwen/Qwen2.5-32B", _APACHE, 5120, 64, 40, 8, 128, 27_648, 152_064, **_QWEN25),
    "Qwen2.5-72B": Shape(
        "Qwen/Qwen2.5-72B", "Qwen License Agreement", 8192, 80, 64, 8, 128, 29_568, 152_064, **_QWEN25
    ),
    "Qwen3-0.6B": Shape(
        "Qwen/Qwen3-0.6B", _APACHE, 1024, 28, 16, 8, inter=3072, tied=True, config="Qwen/Qwen3-0.6B", **_QWEN3_DENSE
    ),
    "Qwen3-1.7B": Shape(
        "Qwen/Qwen3-1.7B", _APACHE, 2048, 28, 16, 8, inter=6144, tied=True, config="Qwen/Qwen3-1.7B", **_QWEN3_DENSE
    ),
    "Qwen3-4B": Shape("Qwen/Qwen3-4B", _APACHE, 2560, 36, 32, 8, inter=9728, tied=True, **_QWEN3_DENSE),
    "Qwen3-8B": Shape("Qwen/Qwen3-8B", _APACHE, 4096, 36, 32, 8, inter=12_288, config="Qwen/Qwen3-8B", **_QWEN3_DENSE),
    "Qwen3-14B": Shape("Qwen/Qwen3-14B", _APACHE, 5120, 40, 40, 8, inter=17_408, **_QWEN3_DENSE),
    "Qwen3-32B": Shape(
        "Qwen/Qwen3-32B", _APACHE, 5120, 64, 64, 8, inter=25_600, config="Qwen/Qwen3-32B", **_QWEN3_DENSE
    ),
    "Qwen3-30B-A3B": Shape(
        "Qwen/Qwen3-30B-A3B", _APACHE, 2048, 48, 32, 4, inter=768, experts=128, top_k=8, config="Qwen/Qwen3-30B-A3B",
        **_QWEN3,
    ),
    "Qwen3-235B-A22B": Shape(
        "Qwen/Qwen3-235B-A22B", _APACHE, 4096, 94, 64, 4, inter=1536, experts=128, top_k=8,
        config="Qwen/Qwen3-235B-A22B", **_QWEN3,
    ),
    "gpt-oss-20b": Shape(
        "openai/gpt-oss-20b", _APACHE, 2880, 24, 64, 8, 64, 2880, 201_088, experts=32, top_k=4, full_layers=12,
        stated=(20_910_000_000, 3_610_000_000), config="openai/gpt-oss-20b", published="mxfp4",
    ),
    "gpt-oss-120b": Shape(
        "openai/gpt-oss-120b", _APACHE, 2880, 36, 64, 8, 64, 2880, 201_088, experts=128, top_k=4, full_layers=18,
        stated=(116_830_000_000, 5_130_000_000), config="openai/gpt-oss-120b", published="mxfp4",
    ),
}  # fmt: skip
