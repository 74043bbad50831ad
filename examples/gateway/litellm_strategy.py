"""MESS+ as a custom routing strategy of LiteLLM's Router: see the README beside this file."""

from typing import Any

from gateway import FEATURES, features_of
from litellm.types.router import CustomRoutingStrategyBase

from messsim import MessPlus


class MessPlusStrategy(CustomRoutingStrategyBase):  # type: ignore[misc]
    """Chooses a deployment of `model_list` by MESS+.

    Parameters
    ----------
    model_list
        LiteLLM's, a deployment a model, in rising order of cost; each with `litellm_params.model`.
    costs
        Expected USD of a request by `model_name`.
    alpha, options
        As of `messsim.MessPlus`. LiteLLM sends a request to one deployment, so that exploring asks one model at random.
    """

    def __init__(self, model_list: list[dict[str, Any]], costs: dict[str, float], alpha: float, **options: Any) -> None:
        self.deployments = {d["model_name"]: d for d in model_list}
        self.costs = costs
        self.router = MessPlus(list(self.deployments), len(FEATURES), alpha, explore="chosen", **options)
        self.numbers: dict[str, int] = {}

    def get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, Any]] | None = None,
        input: str | list[Any] | None = None,  # noqa: A002  (LiteLLM's name)
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """LiteLLM asks this before each request."""
        route = self.router.route(features_of({"messages": messages or [{"content": str(input or "")}]}), self.costs)
        known = ((request_kwargs or {}).get("metadata") or {}).get("request_id")
        if known is None:
            self.router.forget(route.request)  # nobody could rate it
        else:
            self.numbers[known] = route.request
        return self.deployments[route.answer_from]

    async def async_get_available_deployment(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The same for `acompletion`."""
        return self.get_available_deployment(*args, **kwargs)

    def feedback(self, request_id: str, satisfied: float) -> None:
        """Whether the answer to a request satisfied: a KeyError where it is not known, or was rated already."""
        self.router.feedback(self.numbers.pop(request_id), satisfied)
