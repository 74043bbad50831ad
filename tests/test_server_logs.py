"""Logs that servers print in words are told, and what says tokens instead."""

import pytest

from messsim.errors import DataError
from messsim.logs.server_logs import server_log
from messsim.logs.traces import TraceColumns, plan_reading

LOGS = {
    "vLLM's server": "INFO 05-06 10:00:01 [logger.py:39] Received request c-1: prompt: 'Hi', params: P(n=1, t=0.7)\n"
    'INFO:     127.0.0.1:5000 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n',
    "SGLang's server": "[2025-05-06 10:00:00 TP0] Prefill batch. #new-seq: 1, #new-token: 7, #cached-token: 0\n",
    "TensorRT-LLM's server": "[05/06/2024-10:00:00] [TRT-LLM] [I] Starting\n",
    "TGI's server": "2025-05-01T01:31:02.842858Z  INFO text_generation_router::server: server.rs:2266: Connected\n",
    "llama.cpp's server": "slot launch_slot_: id  0 | task 0\nprompt eval time =  992.40 ms /    11 tokens\n",
    "Ollama's server": '[GIN] 2024/05/06 - 10:00:00 | 200 |  1.2s |  127.0.0.1 | POST     "/api/chat"\n',
    "a web server": '127.0.0.1 - - [06/May/2024:10:00:00 +0000] "POST /v1/x HTTP/1.1" 200 512 "-" "python" 1.234\n',
}  # fmt: skip


@pytest.mark.parametrize("whose", LOGS)
def test_the_log_of_a_server_is_told(tmp_path, whose):
    (file := tmp_path / "f.log").write_text(3 * LOGS[whose])
    with pytest.raises(
        DataError, match=f"looks like the log that {whose} prints, lines in words without columns; expected"
    ):
        plan_reading(file, TraceColumns())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.log", "time model tokens\n1 a 2\n"),
        ("f.log", 'INFO 05-06 10:00:01 [logger.py:39] {"prompt_tokens": 1}\n'),  # whose message is JSON
        ("f.csv", "a,b\n1,2\n"),
        ("f.log", '[2026-04-02T08:30:00.1Z] "POST /v1 HTTP/1.1" 200 - 312 20 508\n'),  # whose numbers may be tokens
        ("f.log", '127.0.0.1 - - [06/May/2024:10:00:00 +0000] "POST /v1 HTTP/1.1" 200 512 "-" "x" 0.2 100 20\n'),
        ("f.jsonl", '{"message": "INFO 05-06 10:00:01 [logger.py:39] Received"}\n'),
        ("f.xyz", "a"),
    ],
)
def test_other_files_are_none(tmp_path, name, text):
    (file := tmp_path / name).write_text(text)
    assert server_log(file) is None


def test_columns_that_the_user_names_are_looked_for(tmp_path):
    (file := tmp_path / "f.csv").write_text('request,t\n"GET / HTTP/1.1",1\n')
    with pytest.raises(DataError, match="column 'tokens' is missing"):
        plan_reading(file, TraceColumns("t", "tokens", "out"))
