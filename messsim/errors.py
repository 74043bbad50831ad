"""The exceptions that every room may raise; imports nothing of messsim's."""

import re
from typing import Any, Self

SAID_BY_SYSTEM = re.compile(r'Os \{ code: (\d+), kind: \w+, message: "([^"]*)" \}')  # as Rust prints it


class MesssimError(Exception):
    """Anything that messsim refuses or cannot finish, told in one sentence."""


class ScenarioError(MesssimError):
    """A scenario that cannot be run as it stands.

    Parameters
    ----------
    problems
        One line each: key, value and what was expected.
    file
        The scenario or data file they were found in, where there is one.
    """

    def __init__(self, problems: list[str] | str, file: str | None = None) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        self.file = file
        super().__init__("\n".join(f"{file}: {p}" if file else p for p in self.problems))

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """As it was made: processes of a study hand errors on."""
        return type(self), (self.problems, self.file)


class DataError(ScenarioError):
    """A trace or table whose content does not fit what the scenario says of it."""


class MissingColumns(DataError):
    """A file without columns that are asked of it.

    Parameters
    ----------
    meant
        The column that holds what each missing one would, as far as names tell.
    """

    def __init__(self, problems: list[str], file: str, meant: dict[str, str | None]) -> None:
        super().__init__(problems, file)
        self.meant = meant

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """As it was made."""
        return type(self), (self.problems, self.file, self.meant)


class OutputError(MesssimError):
    """A directory or file that cannot be written as asked."""


class SimulationError(MesssimError):
    """A run that cannot go on: it stops where it is and leaves nothing behind."""


class PolicyError(SimulationError):
    """A policy that decided what it must not, or reported an error of its own."""


INT_OF_NAN = -(2**63)  # what int() makes of NaN and of infinity in compiled code


def illegal(kind: str, request: int, code: int, models: int, failure: str | None = None) -> PolicyError:
    """The error for what a policy returned from its decision (kind `plan`), its finish (`next`; `chain`: it has no end)
    or a label, or for what it raised."""
    if failure is not None:
        return PolicyError(f"the policy's {failure}, at request {request}")
    if code == INT_OF_NAN:
        return PolicyError(
            f"the policy returned {code} at request {request}, which is what int() makes of NaN and of infinity; "
            "expected a whole number"
        )
    if kind == "chain":
        return PolicyError(
            f"the policy's finish goes on after 1,000 answers to request {request}; expected the number of "
            "models in the end, to stay with an answer"
        )
    if kind == "label":
        return PolicyError(f"the policy returned its error code {code} on the label of request {request}")
    if kind == "next":
        return PolicyError(
            f"the policy's finish returned {code} at request {request}; expected a model from 0 to {models - 1} to ask "
            f"next, or {models} to stay with the answer"
        )
    if code < 0:
        return PolicyError(f"the policy returned its error code {code} at request {request}")
    return PolicyError(
        f"the policy returned {code} at request {request}; expected a model from 0 to {models - 1}, "
        "or one with a single PLAN_ flag"
    )


def wrong_pick(request: int, picked: int, failure: str | None = None) -> PolicyError:
    """The error for what a rule of dispatch of the user's own returned, or raised."""
    if failure is not None:
        return PolicyError(f"the rule of dispatch: {failure}, at request {request}")
    if picked == INT_OF_NAN:
        return PolicyError(
            f"the rule of dispatch returned {picked} at request {request}, which is what int() makes of NaN and of "
            "infinity; expected a whole number"
        )
    if picked < 0:
        return PolicyError(f"the rule of dispatch returned its error code {picked} at request {request}")
    return PolicyError(
        f"the rule of dispatch returned {picked} at request {request}; "
        "expected one of its replicas, from 0 to replicas - 1"
    )


class KernelError(MesssimError):
    """Arguments that the compiled core does not take (a bug in the caller)."""


class OutOfMemory(MesssimError, MemoryError):
    """The compiled core could not get memory."""


class NotBuilt(MesssimError, ImportError):
    """The compiled core is not there for this Python."""


def system_error(error: BaseException) -> OSError | None:
    """What the system refused, where an error says so; none where it is about something else.

    A library in Rust panics where Python raises an OSError, as Polars does that cannot open what its threads need.
    """
    if isinstance(error, OSError):
        return error
    refusal = SAID_BY_SYSTEM.search(str(error)) if type(error).__module__ == "pyo3_runtime" else None
    return OSError(int(refusal[1]), refusal[2]) if refusal else None
