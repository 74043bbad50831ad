"""What all tables of a scenario have in common."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Count", "Fraction", "NonNegative", "Part", "Positive", "named"]

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """A table: frozen, without unknown keys, without silent conversions, NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
    )


def named(kind: str, key: str) -> BeforeValidator:
    """Lets a bare number stand for the law of that kind: ``prompt = 500`` is a constant law of 500."""

    def expand(value: Any) -> Any:
        return value if isinstance(value, (dict, Part)) else {"kind": kind, key: value}

    return BeforeValidator(expand)
