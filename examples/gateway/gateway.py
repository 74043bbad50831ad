"""An OpenAI-compatible gateway that routes with MESS+, learns from feedback, and keeps a log for `messsim replay`.

python gateway.py gateway.toml                     # serves on 127.0.0.1:8000
python gateway.py gateway.toml --log > log.jsonl   # decisions and ratings, joined for `messsim replay`
"""

import asyncio
import contextlib
import json
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from messsim import MessPlus
from messsim.errors import ScenarioError

FEATURES = ("characters", "turns", "code", "digits")
SAVE_EVERY_S = 1.0


def features_of(body: dict[str, Any]) -> list[float]:
    """What the router sees of a request, of about the same size each. Put an embedding of the prompt here."""
    texts = [m["content"] if isinstance(m["content"], str) else json.dumps(m["content"]) for m in body["messages"]]
    last = texts[-1]
    digits = sum(c.isdigit() for c in last) / max(len(last), 1)
    return [min(len(last) / 2000, 5.0), len(texts) / 10, float("```" in last), digits]


class Gateway:
    """The router, its log, and its figures for Prometheus. One event loop runs it all, so that it needs no lock."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.models = {m["name"]: m for m in config["models"]}
        self.folder = Path(config["folder"])
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "router.json"
        if self.state.exists():
            self.router = MessPlus.load(self.state)
        else:
            names = list(self.models)
            self.router = MessPlus(names, len(FEATURES), config["alpha"], **config.get("router", {}))
        self.reference = config.get("router", {}).get("reference", list(self.models)[-1])
        self.changed = False
        self.client = httpx.AsyncClient(timeout=httpx.Timeout(300.0, connect=5.0))
        self.registry = CollectorRegistry()
        figure = {"registry": self.registry}
        self.answers = Counter("messplus_answers", "Answers given to users, by model", ["model"], **figure)
        self.errors = Counter("messplus_errors", "Requests that a model did not answer", ["model"], **figure)
        self.cost = Counter("messplus_expected_cost_usd", "Expected cost of all models that were asked", **figure)
        self.exploring = Counter("messplus_exploring_cost_usd", "Of which for answers no user sees", **figure)
        self.ratings = Counter("messplus_ratings", "Ratings", **figure)
        self.satisfied = Counter("messplus_satisfied", "Sum of the ratings, each from 0 to 1", **figure)
        for name, help_, value in (
            ("messplus_alpha", "The promise", lambda: self.router.alpha),
            ("messplus_queue", "Virtual queue: satisfying answers that are owed", lambda: self.router.queue),
            ("messplus_certificate", "Lower bound on satisfaction", lambda: self.router.certificate),
            ("messplus_pending", "Requests that wait for a rating", lambda: self.router.pending),
        ):
            Gauge(name, help_, **figure).set_function(value)

    def costs_of(self, body: dict[str, Any]) -> dict[str, float]:
        """Expected USD of a request on each model; a token is about four characters."""
        prompt_tokens = sum(len(json.dumps(m.get("content", ""))) for m in body["messages"]) / 4
        return {
            name: 1e-6 * (m["usd_per_m_prompt"] * prompt_tokens + m["usd_per_m_output"] * m["output_tokens"])
            for name, m in self.models.items()
        }

    async def complete(self, request: Request) -> Response:
        """``POST /v1/chat/completions``: the client's own `model` is ignored."""
        try:
            body = await request.json()
            features, costs = features_of(body), self.costs_of(body)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return problem(400, "expected a JSON object with `messages`, each with `content`")
        route = self.router.route(features, costs)
        self.changed = True
        others = [m for m in route.models if m != route.answer_from]
        asked_beside = [asyncio.create_task(self.ask(m, body | {"stream": False}, request)) for m in others]
        headers = {"x-messplus-request": str(route.request), "x-messplus-model": route.answer_from}
        headers["x-messplus-asked"] = ",".join(route.models)
        try:
            answer = await self.ask(route.answer_from, body, request)
        except httpx.HTTPError as error:
            for task in asked_beside:
                task.cancel()
            self.router.forget(route.request)
            self.errors.labels(route.answer_from).inc()
            return problem(502, f"a model could not be asked: {type(error).__name__}")
        beside = await asyncio.gather(*asked_beside, return_exceptions=True)
        for other, answer_beside in zip(others, beside, strict=True):
            if isinstance(answer_beside, BaseException):  # the user has an answer all the same
                self.errors.labels(other).inc()
        self.answers.labels(route.answer_from).inc()
        self.cost.inc(sum(costs[m] for m in route.models))
        self.exploring.inc(sum(costs[m] for m in others))
        row = {"request": route.request, "model": route.answer_from, "asked": route.models, "queue": route.queue}
        row |= {f"feature__{name}": x for name, x in zip(FEATURES, features, strict=True)}
        self.note("decisions.jsonl", row | {f"cost__{m}": usd for m, usd in costs.items()})
        kind = answer.headers.get("content-type")
        if body.get("stream"):
            return StreamingResponse(stream(answer), media_type=kind, headers=headers)
        return Response(answer.content, media_type=kind, headers=headers)

    async def ask(self, model: str, body: dict[str, Any], request: Request) -> httpx.Response:
        """One model's answer, not yet read where it is a stream."""
        key = {k: v for k, v in request.headers.items() if k == "authorization"}
        sent = self.client.build_request("POST", self.models[model]["url"], json=body | {"model": model}, headers=key)
        answer = await self.client.send(sent, stream=bool(body.get("stream")))
        if answer.is_error:
            await answer.aclose()  # a stream stays open until it is read or closed
        return answer.raise_for_status()

    async def feedback(self, request: Request) -> Response:
        """``POST /v1/feedback``: `request` from the answer's header, `satisfied` from 0 to 1, or by model asked."""
        try:
            body = await request.json()
            number, satisfied = int(body["request"]), body["satisfied"]
            self.router.feedback(number, satisfied)
        except (ValueError, KeyError, TypeError) as error:
            return problem(400, f"expected `request` and `satisfied`: {error}")
        except ScenarioError as error:
            return problem(409 if "does not wait" in str(error) else 400, str(error))
        self.changed = True
        self.note("ratings.jsonl", {"request": number, "satisfied": satisfied})
        self.ratings.inc()
        self.satisfied.inc(satisfied_of(satisfied, self.reference))
        return JSONResponse({"queue": self.router.queue, "certificate": none_if_nan(self.router.certificate)})

    async def metrics(self, request: Request) -> Response:
        """``GET /metrics``, for Prometheus."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    def note(self, file: str, row: dict[str, Any]) -> None:
        """A line of the log, on the disk at once."""
        with (self.folder / file).open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """Whole or not at all: `MessPlus.save` writes beside the file and renames."""
        if self.changed:
            self.router.save(self.state)
            self.changed = False

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Saves while it serves, and when it ends."""

        async def keep_saving() -> None:
            while True:
                await asyncio.sleep(SAVE_EVERY_S)
                self.save()

        saving = asyncio.create_task(keep_saving())
        try:
            yield
        finally:
            saving.cancel()
            self.save()
            await self.client.aclose()


def satisfied_of(satisfied: float | dict[str, float], reference: str) -> float:
    """Of the answer that the user got: the reference model's, where all were asked and judged."""
    return float(satisfied.get(reference, min(satisfied.values())) if isinstance(satisfied, dict) else satisfied)


def none_if_nan(value: float) -> float | None:
    """JSON has no NaN."""
    return None if value != value else value


async def stream(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The answer as it comes."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def problem(status: int, message: str) -> JSONResponse:
    """An error in the form of OpenAI's."""
    return JSONResponse({"error": {"message": message, "type": "gateway_error"}}, status)


def app_of(config: dict[str, Any]) -> Starlette:
    """The application."""
    gateway = Gateway(config)
    routes = [
        Route("/v1/chat/completions", gateway.complete, methods=["POST"]),
        Route("/v1/feedback", gateway.feedback, methods=["POST"]),
        Route("/metrics", gateway.metrics),
    ]
    app = Starlette(routes=routes, lifespan=gateway.lifespan)
    app.state.gateway = gateway
    return app


def replay_log(folder: Path) -> list[dict[str, Any]]:
    """Decisions with their ratings, null where there is none, in the order of routing."""

    def lines(name: str) -> list[dict[str, Any]]:
        file = folder / name
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    decisions = sorted(lines("decisions.jsonl"), key=lambda row: row["request"])
    rated = {r["request"]: r["satisfied"] for r in lines("ratings.jsonl")}
    known = {
        row["request"]: satisfied_of(rated[row["request"]], row["model"])
        for row in decisions
        if row["request"] in rated
    }
    return [row | {"satisfied": known.get(row["request"])} for row in decisions]


if __name__ == "__main__":
    configuration = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if "--log" in sys.argv:
        for decision in replay_log(Path(configuration["folder"])):
            print(json.dumps(decision))
    else:
        uvicorn.run(app_of(configuration), host="127.0.0.1", port=8000)
