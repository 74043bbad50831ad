"""Logs that servers print in words: which server's one is, and what says its requests' tokens instead."""

from __future__ import annotations

import re
from pathlib import Path

from messsim.errors import DataError
from messsim.workload.blocks import opened

__all__ = ["server_log"]

LOOKED_AT = 1 << 16  # bytes
LEVEL = rb"(?:DEBUG|INFO|WARNING|ERROR)"
ACCESS = rb'"[A-Z]+ [^"\n]* HTTP/\d(?:\.\d)?" \d{3} '
ACCESS += rb'(?:[A-Z][\w ]*|(?:\d+|-)(?: "[^"\n]*" "[^"\n]*")?)(?: \d+\.\d+)?\r?$'  # and no numbers that may be tokens
# Whose a log is by a line of it; what names a server goes before what many servers print.
SERVERS = tuple(
    (name, re.compile(pattern, re.M))
    for name, pattern in (
        ("vLLM", rb"^(?:\([^()\n]*\) )?%s \d\d-\d\d \d\d:\d\d:\d\d (?:\[[\w/]+\.py:\d+\]|[\w/]+\.py:\d+\])" % LEVEL),
        ("SGLang", rb"^\[[^\]\n]+\] (?:Prefill|Decode) batch[.,]? "),
        ("TensorRT-LLM", rb"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[TRT-LLM\]"),
        ("TGI", rb"^\d{4}-\d\d-\d\dT[\d:.]+Z\s+%s .*text_generation_" % LEVEL),
        ("llama.cpp", rb"^(?:slot\s+[\w_]+:|srv\s+[\w_]+:|main: server is listening|(?:prompt )?eval time =)"),
        ("Ollama", rb"^\[GIN\] \d{4}/\d\d/\d\d - "),
        ("a web server", ACCESS),
    )
)
INSTEAD = "expected the log of a gateway, traces of OpenTelemetry, or what a client or a benchmark wrote down"


def server_log(path: Path) -> DataError | None:
    """The error that says whose log in words a file is; None: it is none that is known."""
    try:
        with opened(path) as (kind, file):
            text = file.read(LOOKED_AT) if kind == "csv" else b""
    except DataError:
        return None
    name = next((name for name, line in SERVERS if line.search(text)), None)
    if name is None:
        return None
    whose = name if name.startswith("a ") else f"{name}'s server"
    return DataError(f"looks like the log that {whose} prints, lines in words without columns; {INSTEAD}", str(path))
