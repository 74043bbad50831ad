"""Sums and counts over records, by the kernel of csrc/tally.h."""

import numpy as np

from messsim import _core

__all__ = ["Sums"]


class Sums:
    """What is added up over all records.

    Attributes
    ----------
    by_status : int64 [statuses]
        Requests that ended so.
    answered, tenant_answered : int64 [models], [tenants]
        Answered requests.
    satisfied, tenant_satisfied : float64 [models], [tenants]
        Their satisfaction.
    visible_cost : float64 [models]
        Cost of the answers that users saw, in the scenario's unit.
    """

    def __init__(self, statuses: int, models: int, tenants: int) -> None:
        self._sums, self._counts = np.zeros(5), np.zeros(7, np.int64)
        self.by_status = np.zeros(statuses, np.int64)
        self.answered = np.zeros(models, np.int64)
        self.satisfied, self.visible_cost = np.zeros(models), np.zeros(models)
        self.tenant_answered = np.zeros(tenants, np.int64)
        self.tenant_satisfied = np.zeros(tenants)

    def add_records(self, records: _core.Records) -> None:
        """Adds a block of records."""
        records.add_to(
            {
                "sums": self._sums,
                "counts": self._counts,
                "by_status": self.by_status,
                "answered": self.answered,
                "satisfied": self.satisfied,
                "visible_cost": self.visible_cost,
                "tenant_answered": self.tenant_answered,
                "tenant_satisfied": self.tenant_satisfied,
            }
        )

    @property
    def cost(self) -> float:
        """Of all copies, in the scenario's unit."""
        return float(self._sums[0])

    @property
    def exploration_cost(self) -> float:
        """Of copies that users did not see."""
        return float(self._sums[1])

    @property
    def lost_cost(self) -> float:
        """Of requests that ended without an answer."""
        return float(self._sums[2])

    @property
    def paper_cost(self) -> float:
        """Of what users saw where nobody explored, as the tables of the MESS+ paper count it."""
        return float(self._sums[3])

    @property
    def energy_j(self) -> float:
        """Of all copies, joules."""
        return float(self._sums[4])

    @property
    def with_feedback(self) -> int:
        """Requests whose label came."""
        return int(self._counts[0])

    @property
    def preemptions(self) -> int:
        """Of the copies that users saw."""
        return int(self._counts[1])

    @property
    def prompt_tokens(self) -> int:
        """Of answered requests."""
        return int(self._counts[2])

    @property
    def output_tokens(self) -> int:
        """Of answered requests."""
        return int(self._counts[3])

    @property
    def started_prompt_tokens(self) -> int:
        """Of requests that a replica has started."""
        return int(self._counts[4])

    @property
    def cached_prompt_tokens(self) -> int:
        """Of these, tokens that a prefix cache held."""
        return int(self._counts[5])

    @property
    def cached_recompute_tokens(self) -> int:
        """Tokens that a prefix cache held when a request was admitted again."""
        return int(self._counts[6])
