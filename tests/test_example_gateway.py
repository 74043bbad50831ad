"""The gateway of the examples, before a stub of two models on loopback: what it routes, learns, keeps and logs."""

import asyncio
import http.server
import importlib.util
import json
import random
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from messsim.cli import app

pytest.importorskip("httpx", reason="the gateway's requirements are not installed (extra `test`)")
pytest.importorskip("prometheus_client")
testclient = pytest.importorskip("starlette.testclient")
pytest.importorskip("uvicorn")

FOLDER = Path(__file__).parents[1] / "examples" / "gateway"
ALPHA, V = 0.7, 3e3


def completed(coroutine):
    """What it returns, in a thread of its own: other tests of this process may leave a loop that runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gateway = loaded("gateway")


class Models(http.server.BaseHTTPRequestHandler):
    """A stub of every model: says who answers; ``broken`` in a prompt is a server's error."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        broken = "broken" in body["messages"][-1]["content"]
        if body.get("stream"):
            answer, kind = f'data: {{"model": "{body["model"]}"}}\n\ndata: [DONE]\n\n'.encode(), "text/event-stream"
        else:
            data = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
            answer, kind = json.dumps({"model": body["model"], "choices": [data]}).encode(), "application/json"
        self.send_response(500 if broken else 200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    server.shutdown()
    server.server_close()


@pytest.fixture
def config(url, tmp_path):
    prices = {"8b": (0.05, 0.10), "70b": (0.60, 0.80)}
    models = [
        {"name": n, "url": url, "usd_per_m_prompt": p, "usd_per_m_output": o, "output_tokens": 300}
        for n, (p, o) in prices.items()
    ]
    return {"alpha": ALPHA, "folder": str(tmp_path / "state"), "router": {"V": V, "c": 1.0}, "models": models}


def ask(client, text="hello", **more):
    return client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": text}]} | more)


def metrics(client):
    lines = [line.split() for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_costs_and_satisfaction_are_those_that_replay_simulates_on_its_log(config, tmp_path):
    chance, truth = random.Random(1), []
    with testclient.TestClient(gateway.app_of(config)) as client:
        for number in range(80):
            hard = chance.random()
            labels = {"8b": float(chance.random() < 0.9 - 0.7 * hard), "70b": float(chance.random() < 0.9 - 0.2 * hard)}
            truth.append({f"satisfied__{m}": label for m, label in labels.items()})
            answer = ask(client, "x" * int(4000 * hard))
            model = answer.headers["x-messplus-model"]
            assert answer.json()["model"] == model
            assert int(answer.headers["x-messplus-request"]) == number
            everyone = answer.headers["x-messplus-asked"] == "8b,70b"
            rating = labels if everyone else labels[model]
            done = client.post("/v1/feedback", json={"request": number, "satisfied": rating})
            assert done.status_code == 200, done.text
        seen = metrics(client)
    rows = gateway.replay_log(Path(config["folder"]))
    assert len(rows) == 80
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row | outcome) + "\n" for row, outcome in zip(rows, truth, strict=True)))
    lines = ["replay", str(log), "--alpha", str(ALPHA), "--set", f"V={V}", "--set", "c=1.0", "--json"]
    data = json.loads(CliRunner().invoke(app, lines).stdout)
    ours = data["mess_plus"]
    assert ours["rated"] == seen["messplus_ratings_total"] == 80
    assert ours["satisfaction"] == pytest.approx(seen["messplus_satisfied_total"] / 80)
    assert ours["cost"] == pytest.approx(seen["messplus_expected_cost_usd_total"])
    assert ours["exploration_cost"] == pytest.approx(seen["messplus_exploring_cost_usd_total"])
    assert ours["certificate"] == pytest.approx(seen["messplus_certificate"])
    assert 0 < seen["messplus_exploring_cost_usd_total"] < seen["messplus_expected_cost_usd_total"]
    assert min(seen['messplus_answers_total{model="8b"}'], seen['messplus_answers_total{model="70b"}']) > 5


def test_a_restart_goes_on_with_ratings_still_to_come(config):
    with testclient.TestClient(gateway.app_of(config)) as client:
        for _ in range(5):
            ask(client)
        client.post("/v1/feedback", json={"request": 0, "satisfied": 0.0})
        before = metrics(client)
    with testclient.TestClient(gateway.app_of(config)) as client:
        after = metrics(client)
        assert after["messplus_queue"] == before["messplus_queue"] > 0
        assert after["messplus_pending"] == 4
        assert client.post("/v1/feedback", json={"request": 4, "satisfied": 1}).status_code == 200
        assert ask(client).headers["x-messplus-request"] == "5"
    assert [row["satisfied"] for row in gateway.replay_log(Path(config["folder"]))] == [
        0.0,
        None,
        None,
        None,
        1.0,
        None,
    ]
    assert sorted(p.name for p in Path(config["folder"]).iterdir()) == [
        "decisions.jsonl",
        "ratings.jsonl",
        "router.json",
    ]


def test_what_is_wrong_is_said_and_changes_nothing(config):
    with testclient.TestClient(gateway.app_of(config)) as client:
        assert client.post("/v1/chat/completions", content=b"{").status_code == 400
        assert client.post("/v1/chat/completions", json={"messages": []}).status_code == 400
        ask(client)
        for wrong in ({}, {"request": 0}, {"request": "x", "satisfied": 1}, {"request": 0, "satisfied": 2}):
            assert client.post("/v1/feedback", json=wrong).status_code == 400
        assert client.post("/v1/feedback", json={"request": 7, "satisfied": 1}).status_code == 409
        seen = metrics(client)
        assert (seen["messplus_ratings_total"], seen["messplus_pending"]) == (0, 1)


def test_a_model_that_fails_is_an_error_and_waits_for_no_rating(config):
    with testclient.TestClient(gateway.app_of(config)) as client:
        answer = ask(client, "broken")
        assert answer.status_code == 502
        assert "could not be asked" in answer.json()["error"]["message"]
        seen = metrics(client)
        assert seen["messplus_pending"] == 0
        assert sum(v for k, v in seen.items() if k.startswith("messplus_errors_total")) == 1
    assert gateway.replay_log(Path(config["folder"])) == []


def test_a_stream_is_handed_on(config):
    with testclient.TestClient(gateway.app_of(config)) as client:
        answer = ask(client, stream=True)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text.endswith("data: [DONE]\n\n")
        assert answer.headers["x-messplus-model"] in answer.text


def test_it_stands_behind_litellm_as_a_custom_strategy(monkeypatch):
    base = type("CustomRoutingStrategyBase", (), {})  # LiteLLM itself is not needed for what the strategy does
    monkeypatch.setitem(sys.modules, "litellm", types.ModuleType("litellm"))
    monkeypatch.setitem(sys.modules, "litellm.types", types.ModuleType("litellm.types"))
    router_types = types.ModuleType("litellm.types.router")
    router_types.CustomRoutingStrategyBase = base
    monkeypatch.setitem(sys.modules, "litellm.types.router", router_types)
    monkeypatch.setitem(sys.modules, "gateway", gateway)
    strategy_of = loaded("litellm_strategy").MessPlusStrategy
    deployments = [{"model_name": n, "litellm_params": {"model": f"openai/{n}"}} for n in ("8b", "70b")]
    strategy = strategy_of(deployments, {"8b": 1.0, "70b": 9.0}, 0.7, V=1e-3)
    assert isinstance(strategy, base)
    data = {"messages": [{"role": "user", "content": "Hi"}], "request_kwargs": {"metadata": {"request_id": "a1"}}}
    assert strategy.get_available_deployment("8b", **data) in deployments
    assert completed(strategy.async_get_available_deployment("8b", input="Hi")) in deployments
    assert strategy.router.pending == 1
    strategy.feedback("a1", 0.0)
    assert strategy.router.queue == pytest.approx(0.7)
    with pytest.raises(KeyError):
        strategy.feedback("a1", 0.0)


@pytest.mark.filterwarnings("ignore")  # LiteLLM's own
def test_litellm_asks_the_strategy(url, monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network for prices
    litellm = pytest.importorskip("litellm")
    monkeypatch.setitem(sys.modules, "gateway", gateway)
    deployments = [
        {
            "model_name": n,
            "litellm_params": {
                "model": f"openai/{n}",
                "api_base": url.removesuffix("/chat/completions"),
                "api_key": "-",
            },
        }
        for n in ("8b", "70b")
    ]
    strategy = loaded("litellm_strategy").MessPlusStrategy(deployments, {"8b": 3e-5, "70b": 3e-4}, 0.7, V=1e3)
    router = litellm.Router(model_list=deployments, num_retries=0)
    getattr(router, "register_plugin", getattr(router, "set_custom_routing_strategy", None))(strategy)
    asked = {"model": "8b", "messages": [{"role": "user", "content": "Hi"}]}
    answer = router.completion(**asked, metadata={"request_id": "a1"})
    completed(router.acompletion(**asked, metadata={"request_id": "a2"}))
    assert answer.choices[0].message.content == "Hi"
    for request in ("a1", "a2"):
        strategy.feedback(request, 0.0)
    assert strategy.router.queue == pytest.approx(1.4)
