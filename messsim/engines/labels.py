"""What users say of answers: when it arrives, and what the router learns from it."""

from __future__ import annotations

import numpy as np

from .brain import Brain
from .calendar import LABEL, Calendar
from .instances import Instances
from .open_request import OpenRequest

__all__ = ["Labels"]


class Labels:
    """Carries labels from complete answers to the instance of the router that decided.

    Attributes
    ----------
    to_come
        Labels under way.
    """

    def __init__(self, instances: Instances, calendar: Calendar, horizon_s: float, one_sided: bool = False) -> None:
        self.one_sided = one_sided
        self.instances = instances
        self.calendar = calendar
        self.horizon_s = horizon_s
        self.to_come = 0

    def send(self, opened: OpenRequest, model: int) -> None:
        """The label of a complete copy sets off."""
        time_s = self.calendar.now + (opened.delays[model] if opened.delays is not None else 0.0)
        if opened.heard_of(model) and time_s <= self.horizon_s:
            opened.feedback_s = time_s
        self.to_come += 1
        self.calendar.call_at(lambda _: self._deliver(opened, model), time_s, (LABEL, opened.request, model))

    def _deliver(self, opened: OpenRequest, model: int) -> None:
        self.to_come -= 1
        self.give(opened, model)

    def give(self, opened: OpenRequest, model: int) -> None:
        """The label of a copy is in (unrated requests have one too, which only the simulator sees)."""
        label = opened.ratings[model]
        if model == opened.seen:
            self.instances.delivered[opened.tenant].rate(opened.satisfied[model])
            if opened.heard_of(model):
                self._brain(opened).rate(opened.request, model, opened.tenant, label)
        if opened.labels is not None and (model == opened.seen or not self.one_sided):
            opened.labels[model] = label
        self.miss(opened)

    def complain(self, opened: OpenRequest) -> None:
        """A user who had no answer says that this did not satisfy, if the request is rated."""
        if opened.rated:
            self._brain(opened).rate(opened.request, opened.seen, opened.tenant, 0.0)

    def miss(self, opened: OpenRequest) -> None:
        """One label fewer is to come. After the last the router learns; copies without one are left out."""
        opened.unlabelled -= 1
        labels, features = opened.labels, opened.features
        if opened.unlabelled == 0 and labels is not None and features is not None:
            if not np.isnan(labels).all():
                self._brain(opened).learn(opened.request, opened.tenant, features, labels)
            opened.labels = opened.features = None

    def _brain(self, opened: OpenRequest) -> Brain:
        return self.instances.brains[opened.instance]
