"""The exceptions that every room may raise; imports nothing."""


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


class OutputError(MesssimError):
    """A directory or file that cannot be written as asked."""


class SimulationError(MesssimError):
    """A run that cannot go on: it stops where it is and leaves nothing behind."""


class PolicyError(SimulationError):
    """A policy that decided what it must not, or reported an error of its own."""


class KernelError(MesssimError):
    """Arguments that the compiled core does not take (a bug in the caller)."""


class OutOfMemory(MesssimError, MemoryError):
    """The compiled core could not get memory."""


class NotBuilt(MesssimError, ImportError):
    """The compiled core is not there for this Python."""
