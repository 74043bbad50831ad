"""What satisfies a user, and what of it a router can see."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from messsim.files import pickle_refusal

from .base import Fraction, Part, Weight

__all__ = ["Features", "Irt", "Satisfaction", "Table", "Task"]


def _no_pickle(file: str) -> str:
    if (refusal := pickle_refusal(file)) is not None:
        raise ValueError(f"{file} {refusal}")
    return file


class Task(Part):
    """A family of requests with its own difficulty, normal with this mean and deviation."""

    name: str = Field(description="name, for phases to refer to")
    weight: Weight = Field(1.0, description="share of requests, relative to the other tasks")
    mean: float = Field(0.0, ge=-1000, le=1000, description="mean difficulty, in the unit of abilities")
    deviation: float = Field(1.0, gt=0, le=1000, description="standard deviation of the difficulty, in the same unit")


class Irt(Part):
    """Item response theory, two-parameter logistic: P(s = 1) = sigmoid(slope (ability - difficulty)).

    With `grades` an answer meets each of grades - 1 criteria with that probability, and s is the share that it meets.
    """

    kind: Literal["irt"] = Field("irt", description="irt: drawn by ability and difficulty")
    slope: float = Field(
        1.5, ge=1e-3, le=1e3, description="how sharply satisfaction falls with difficulty; large: models agree more"
    )
    grades: int = Field(
        2,
        ge=2,
        le=101,
        description="how many values satisfaction takes, from 0 to 1 in equal steps: 2 is yes or no, 5 is stars; its "
        "mean stays models.satisfaction",
    )
    tasks: list[Task] = Field(
        default_factory=list, description="families of difficulty; none: all requests from N(0, 1)"
    )


class Table(Part):
    """Outcomes of real models on real prompts: one row a prompt, one column a model."""

    kind: Literal["table"] = Field("table", description="table: real outcomes from a file")
    file: Annotated[str, AfterValidator(_no_pickle)] = Field(
        description="path, relative to the scenario's folder: Parquet, CSV, CSV.gz or JSONL"
    )
    order: Literal["random", "file"] = Field(
        "random", description="rows drawn with replacement, or in the file's order and then again"
    )
    format: Literal["columns", "capture"] = Field(
        "columns",
        description="columns: a 0/1 (or 0...1) column a model, named by models.column; capture: the MESS+ "
        "authors' files with label_SIZE, energy_consumption_SIZE ..., SIZE named by models.column",
    )
    group: str | None = Field(None, description="column whose values phases may select, such as a subject")
    prompt_tokens: str = Field("prompt_tokens", description="column of prompt token counts")
    output_tokens: str = Field(
        "output_tokens__{column}", description="column of answer token counts, {column} being models.column"
    )
    costs: str | None = Field(
        None, description="column of costs, {column} being models.column; replaces the profile's cost"
    )


Satisfaction = Annotated[Irt | Table, Field(discriminator="kind")]


class Features(Part):
    """What the router sees of a request."""

    kind: Literal["difficulty", "table", "text", "none"] = Field(
        "difficulty",
        description="difficulty: drawn around the IRT difficulty; table: columns of the outcome table; "
        "text: hashed from its text column (extra `text`); none: no features, only each model's mean",
    )
    dimensions: int = Field(16, ge=1, le=4096, description="number of features (difficulty and text)")
    signal: Fraction = Field(
        0.8,
        description="correlation of the one informative feature with the difficulty: 0 makes prediction "
        "impossible, 1 as good as it can be (difficulty)",
    )
    prefix: str = Field("feature__", description="columns that start so are the features (table)")
    column: str = Field("prompt", description="the text column (text)")
