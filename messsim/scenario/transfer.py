"""Split prefill and decode: who does what, and how KV goes from one to the other."""

from typing import Literal, get_args

from pydantic import Field

from .base import NonNegative, Part, Positive

__all__ = ["DECODE_RULES", "DecodeRule", "Role", "Transfer"]

Role = Literal["both", "prefill", "decode"]
DecodeRule = Literal["least_loaded", "round_robin", "power_of_two", "random"]
DECODE_RULES: tuple[DecodeRule, ...] = get_args(DecodeRule)  # that look at no prompt


class Transfer(Part):
    """How a prefilled request goes to where it decodes; defaults are those of BLIS, of which llm-d has the order."""

    order: Literal["decode_first", "prefill_first"] = Field(
        "decode_first",
        description="when the replica that decodes is chosen: as the request comes, so that it counts there from then "
        "on, or when its prefill is done",
    )
    dispatch: DecodeRule | None = Field(
        None,
        description="which replica decodes; none: by the rule of cluster.dispatch, or least_loaded where that looks at "
        "prompts",
    )
    latency_s: NonNegative = Field(5e-5, le=1e6, description="what each transfer takes whatever its length, seconds")
    bandwidth_gb_per_s: Positive = Field(
        25.0, ge=1e-6, description="GB/s of each transfer, or of all that share it: `bandwidth_of`"
    )
    bandwidth_of: Literal["transfer", "prefill", "decode", "cluster"] = Field(
        "transfer",
        description="whose bandwidth that is: each transfer's, whatever else crosses; or in equal parts of all that "
        "are under way from one replica that prefills, to one that decodes, or in the cluster",
    )
    first_token: Literal["after_prefill", "after_transfer"] = Field(
        "after_transfer",
        description="the user's first token: that of the prefill, or the first one that the other replica gives after "
        "the transfer, for which it computes the prompt's last token again (vLLM)",
    )
