"""What all tables of a scenario have in common."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from messsim.errors import ScenarioError

from .problems import describe
from .python_values import without_numpy

__all__ = [
    "MOST_TOKENS",
    "Count",
    "Fraction",
    "NonNegative",
    "Number",
    "Part",
    "Positive",
    "Share",
    "TokenCount",
    "Weight",
    "expanding",
]

MOST_TOKENS = 10_000_000  # of one prompt or answer: the longest context of any model so far

# No quantity of a real system, in any unit here, is further from 1; products of a few stay far from infinity.
SMALLEST, LARGEST = 1e-15, 1e15


def _plausible(value: float) -> float:
    if 0 < value < SMALLEST:
        raise PydanticCustomError("tiny", f"at least {SMALLEST:g}")
    if value > LARGEST:
        raise PydanticCustomError("huge", f"at most {LARGEST:g}")
    return value


Positive = Annotated[float, Field(gt=0), AfterValidator(_plausible)]
NonNegative = Annotated[float, Field(ge=0), AfterValidator(_plausible)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e12)]  # relative to the other weights
Share = Annotated[float, Field(gt=0, le=1e12)]  # the same, but never 0
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Number = Annotated[int, Field(ge=0, le=2**53)]  # of a request, or of things that there may be none of
TokenCount = Annotated[int, Field(ge=1, le=MOST_TOKENS)]


if TYPE_CHECKING:
    _Built = BaseModel
else:

    class _Building(type(BaseModel)):
        """What a call such as ``Poisson(rate_rps=4)`` goes through, and reading a file does not."""

        def __call__(cls, *args: Any, **values: Any) -> Any:
            values = without_numpy(values)
            try:
                built = super().__call__(*args, **values)
                built.model_fields_set.update(
                    {"kind"} & cls.model_fields.keys()
                )  # without it no table can be read back
                return built
            except ValidationError as error:
                raise ScenarioError(describe(error.errors(), values, cls), cls.__name__) from None

    class _Built(BaseModel, metaclass=_Building):
        """A table whose errors, where it is built in Python, are those of a file."""


class Part(_Built):
    """A table: frozen, without unknown keys, without silent conversions, NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
        defer_build=True,  # most tables are only ever read as part of a scenario
    )

    def is_chosen(self, key: str) -> bool:
        """Whether a key has another value than its default, which a scenario that was written down states too."""
        field = type(self).model_fields[key]
        default = field.get_default(call_default_factory=True) if field.default_factory else field.default  # not a copy
        return bool(getattr(self, key) != default)


def expanding(words: dict[str, Any], key: str, expected: str, schema: Any) -> BeforeValidator:
    """Lets a bare number or word stand for a table: ``prompt = 500`` for a constant law of 500 tokens.

    Parameters
    ----------
    words
        The table of each word.
    key
        The key of ``kind = "constant"`` that a number is the value of.
    expected
        What to say of anything else.
    schema
        The type of what may be written, for the JSON Schema.
    """

    def expand(value: Any) -> Any:
        if isinstance(value, (dict, Part)):
            return value
        if isinstance(value, str) and value in words:
            return words[value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"kind": "constant", key: value}
        raise PydanticCustomError("expandable", expected)

    return BeforeValidator(expand, json_schema_input_type=schema)
