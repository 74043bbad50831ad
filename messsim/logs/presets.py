"""The files of other tools that are known by their columns: what each calls times and tokens. One row a tool."""

# ruff: noqa: E501  a table, whose rows are read across

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from messsim.errors import DataError
from messsim.workload.blocks import schema_of
from messsim.workload.choosing import Condition
from messsim.workload.nested import column_of

__all__ = ["PRESETS", "Preset", "first_of", "lacking", "nearest", "recognised"]

# Names that a table of anybody's may have.
ANYBODYS = frozenset({
    "time", "timestamp", "TIMESTAMP", "Timestamp", "date", "created_at", "createdAt", "start_time", "startTime",
    "started_at", "arrival_s", "arrived_at", "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens",
    "total_tokens", "promptTokens", "completionTokens", "inputTokens", "outputTokens", "tokens_in", "tokens_out",
    "requests", "status", "latency", "user", "model", "cached", "success", "path", "id", "request_id", "requestId",
    "key", "value", "test", "Type", "Name", "Concurrency", "concurrency", "isl", "osl", "ttft", "tpot", "error",
    "request", "response", "index", "usage",
})  # fmt: skip
Names = tuple[str, ...]  # of one column, by version of the tool: the first that is there counts


@dataclass(frozen=True)
class Preset:
    """One tool's file.

    Attributes
    ----------
    tell
        Columns by which it is known: all of these; `a|b` is either.
    time, prompt, output, tenant, identity
        Where those stand. No time: its file says lengths alone. `identity` differs between requests.
    took
        How long an answer took, in nanoseconds, where a time is when it was done.
    unit
        Of times that are numbers; "auto": by their size.
    select
        Rows that count, others being no requests that were answered.
    skip_failed
        Whether its rows without tokens are failures.
    in_text
        Whether a column of text may hold structures as JSON, as where a table is written as CSV.
    clients
        Column of a limit on how many requests ran at once.
    prompts
        What its prompts are made of: columns by the keys of arrivals.columns that they are, those that are there.
    block_tokens
        Tokens of a block that hash_ids names.
    delay_format
        Unit of delays.
    lacks
        What such a file never says, and what to write or take instead: it is known, but of no use.
    source
        Where its columns are described.
    """

    name: str
    title: str
    tell: Names
    time: Names = ()
    prompt: Names = ()
    output: Names = ()
    unit: str = "auto"
    tenant: Names = ()
    identity: Names = ()
    select: tuple[Condition, ...] = ()
    skip_failed: bool = False
    in_text: bool = False
    clients: str = ""
    rate: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    block_tokens: int | None = None
    delay_format: str = "s"
    took: str = ""
    lacks: str = ""
    source: str = ""

    @property
    def refusal(self) -> str:
        """What follows "it" or "which" where such a file is refused."""
        return f"{'holds no' if self.lacks.startswith('requests') else 'does not say'} {self.lacks}"


def _failed(column: str, operator: str, value: str, what: str = "requests that failed") -> tuple[Condition, ...]:
    return (Condition(column, operator, value, what),)


_OTEL_IN = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OTEL_OUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_OTEL_AT = ("attributes", "Attributes", "SpanAttributes", "tags")  # tags: Jaeger's
_OTEL_NESTED = tuple(
    f"{a}.{n}" for a in _OTEL_AT for n in (*_OTEL_IN, "llm.token_count.prompt")
)  # the last: OpenInference
_OTEL_NESTED_OUT = tuple(f"{a}.{n}" for a in _OTEL_AT for n in (*_OTEL_OUT, "llm.token_count.completion"))

PRICES = "requests, but prices of models: usd_per_million_prompt_tokens and usd_per_million_output_tokens of a scenario's models"

PRESETS = (
    Preset("messsim", "a trace of messsim", ("arrival_s", "prompt_tokens", "output_tokens"),
           ("arrival_s",), ("prompt_tokens",), ("output_tokens",), source="docs/how-to/own-trace.md"),
    Preset("sglang", "SGLang bench_serving, with --output-details",
           ("input_lens", "output_lens", "total_output_tokens_retokenized"),
           ("start_times",), ("input_lens",), ("output_lens",), "s", select=_failed("errors", "=", ""),
           clients="max_concurrency", rate="request_throughput",
           source="https://docs.sglang.io/developer_guide/bench_serving.html"),
    Preset("vllm", "vllm bench serve, with --save-result --save-detailed", ("input_lens", "output_lens"),
           ("start_times",), ("input_lens",), ("output_lens",), "s", select=_failed("errors", "=", ""),
           clients="max_concurrency", rate="request_throughput",
           source="https://docs.vllm.ai/en/latest/benchmarking/cli/"),
    Preset("sglang-summary", "SGLang bench_serving without details", ("total_output_tokens_retokenized",),
           lacks="its requests one by one; expected a run with --output-details (calibrate reads summaries)"),
    Preset("vllm-summary", "vllm bench serve without details", ("total_input_tokens", "request_throughput|mean_ttft_ms"),
           lacks="its requests one by one; expected a benchmark run with --save-result --save-detailed "
                 "(calibrate reads summaries)"),
    Preset("aiperf", "AIPerf profile_export.jsonl",
           ("metadata.request_start_ns", "metrics.input_sequence_length.value"),
           ("metadata.request_start_ns",), ("metrics.input_sequence_length.value",),
           ("metrics.output_sequence_length.value", "metrics.output_token_count.value"), "ns",
           identity=("metadata.x_request_id",),
           select=(Condition("metadata.was_cancelled", "!=", "true", "requests that were cancelled"),
                   Condition("metadata.benchmark_phase", "!=", "warmup", "requests of the warm-up"),
                   Condition("error", "=", "", "requests that failed")),
           source="https://github.com/ai-dynamo/aiperf/blob/main/docs/tutorials/working-with-profile-exports.md"),
    Preset("aiperf-summary", "AIPerf or GenAI-Perf summary (CSV)", ("Metric", "avg", "p50|p99"),
           lacks="its requests one by one; AIPerf writes them to profile_export.jsonl"),
    Preset("genai-perf", "GenAI-Perf profile_export.json", ("timestamp", "response_timestamps"),
           lacks="token counts, but within its answers (--time timestamp --time-format ns --prompt-tokens "
                 "response_outputs.0.response.usage.prompt_tokens --output-tokens "
                 "response_outputs.0.response.usage.completion_tokens); AIPerf writes them to profile_export.jsonl"),
    Preset("aiperf-aggregate", "AIPerf's aggregates (JSON)", ("request_latency.avg", "request_count.avg"),
           lacks="its requests one by one; AIPerf writes them to profile_export.jsonl"),
    Preset("guidellm", "GuideLLM benchmarks.json",
           ("request_id", "prompt_tokens|prompt_metrics.text_tokens|input_metrics.text_tokens", "start_time|request_start_time|info.timings.request_start",
            "output_tokens|output_metrics.text_tokens", "request_latency|end_time|scheduler_info|info"),
           ("request_start_time", "start_time", "scheduler_info.request_timings.request_start",
            "info.timings.request_start"),
           ("prompt_tokens", "prompt_metrics.text_tokens", "input_metrics.text_tokens"), ("output_tokens", "output_metrics.text_tokens"),
           identity=("request_id",), source="https://github.com/vllm-project/guidellm"),
    Preset("guidellm-summary", "GuideLLM's table of benchmarks (CSV)", ("Type", "Name", "Requests per second mean|Requests per Second mean|Benchmark ID|Run ID"),
           lacks="its requests one by one; its benchmarks.json does"),
    Preset("inference-perf", "inference-perf per_request_lifecycle_metrics.json",
           ("start_time", "info.input_tokens|info.request_metrics.text.input_tokens",
            "info.output_tokens|info.response_metrics.output_tokens"),
           ("start_time",), ("info.request_metrics.text.input_tokens", "info.input_tokens"),
           ("info.response_metrics.output_tokens", "info.output_tokens"), "s",
           select=_failed("error", "=", ""), source="https://github.com/kubernetes-sigs/inference-perf"),
    Preset("litellm", "LiteLLM spend logs", ("startTime", "prompt_tokens", "completion_tokens", "spend|call_type"),
           ("startTime",), ("prompt_tokens",), ("completion_tokens",), tenant=("end_user", "user", "team_id"),
           identity=("request_id",), select=(*_failed("status", "!=", "failure"), Condition("cache_hit", "!=", "true", "answers from the gateway's cache (--from log keeps them)")),
           skip_failed=True, source="https://docs.litellm.ai/docs/proxy/spend_logs_deletion"),
    Preset("langfuse-traces", "Langfuse export of traces", ("bookmarked|observationCount|observations", "timestamp", "inputTokens|usage|totalCost"),
           lacks="its requests one by one, but what each trace sums up; its export of observations does"),
    Preset("langfuse", "Langfuse export of observations",
           ("startTime|start_time", "traceId|trace_id|traceName",
            "promptTokens|inputUsage|usage.input|usageDetails.input|usage_details.input|usage.promptTokens|inputTokens"),
           ("startTime", "start_time"),
           ("promptTokens", "inputUsage", "usage.input", "usageDetails.input", "usage_details.input", "usage.promptTokens",
            "inputTokens"),
           ("completionTokens", "outputUsage", "usage.output", "usageDetails.output", "usage_details.output",
            "usage.completionTokens", "outputTokens"),
           tenant=("userId", "user_id"), identity=("id",), select=_failed("level", "!=", "ERROR"), skip_failed=True, in_text=True,
           source="https://langfuse.com/docs/api-and-data-platform/features/export-from-ui"),
    Preset("helicone", "Helicone export",
           ("request_created_at|created_at|createdAt", "prompt_tokens|promptTokens", "completion_tokens|completionTokens",
            "request_id|response_id|requestId", "response_status|status|request_user_id|delay_ms|latency"),
           ("request_created_at", "created_at", "createdAt"), ("prompt_tokens", "promptTokens"),
           ("completion_tokens", "completionTokens"), tenant=("request_user_id", "user_id", "userId"),
           identity=("request_id", "requestId", "response_id"), select=_failed("response_status", "<", "400"),
           skip_failed=True, source="https://docs.helicone.ai/rest/request/post-v1requestquery-clickhouse"),
    Preset("openrouter", "OpenRouter activity", ("created_at", "tokens_prompt", "tokens_completion"),
           ("created_at",), ("tokens_prompt",), ("tokens_completion",), tenant=("user", "app_name", "api_key_name"),
           identity=("generation_id",), select=_failed("cancelled", "!=", "true", "requests that were cancelled"),
           skip_failed=True, source="https://openrouter.ai/docs/use-cases/usage-accounting"),
    Preset("openrouter-generation", "OpenRouter generations (API)", ("data.created_at", "data.tokens_prompt", "data.tokens_completion"),
           ("data.created_at",), ("data.tokens_prompt",), ("data.tokens_completion",), identity=("data.id",),
           select=_failed("data.cancelled", "!=", "true", "requests that were cancelled"), skip_failed=True,
           source="https://openrouter.ai/docs/api-reference/get-a-generation"),
    Preset("openrouter-daily", "OpenRouter activity by day", ("date", "model_permaslug", "requests", "prompt_tokens"),
           lacks="its requests one by one; the CSV export of its logs does"),
    Preset("openrouter-prices", "OpenRouter's list of models", ("pricing.prompt|pricing.completion", "context_length"), lacks=PRICES),
    Preset("litellm-prices", "LiteLLM's list of prices", ("sample_spec",), lacks=PRICES),
    Preset("openai-usage", "OpenAI's usage by time (export and API)", ("num_model_requests|results.0.num_model_requests|n_context_tokens_total",),
           lacks="its requests one by one, but sums of many; logs of your own calls do"),
    Preset("anthropic-usage", "Anthropic's usage by day", ("usage_date_utc|usage_input_tokens_no_cache|results.0.uncached_input_tokens",),
           lacks="its requests one by one, but sums of many; logs of your own calls do"),
    Preset("litellm-daily", "LiteLLM's activity by day", ("metrics.api_requests", "metrics.prompt_tokens"),
           lacks="its requests one by one, but sums of a day; its spend logs do"),
    Preset("prometheus", "Prometheus's answer to a query", ("data.resultType", "data.result"),
           lacks="its requests one by one, but counters over time; logs of your gateway do"),
    Preset("openai-batch", "OpenAI's output of a batch",
           ("custom_id", "response.body.created|response.body.created_at",
            "response.body.usage.prompt_tokens|response.body.usage.input_tokens"),
           ("response.body.created", "response.body.created_at"),
           ("response.body.usage.prompt_tokens", "response.body.usage.input_tokens"),
           ("response.body.usage.completion_tokens", "response.body.usage.output_tokens"), "s", identity=("id",),
           select=_failed("response.status_code", "<", "400"), skip_failed=True,
           source="https://platform.openai.com/docs/guides/batch"),
    Preset("langsmith", "LangSmith export of runs", ("run_type", "start_time", "prompt_tokens"),
           ("start_time",), ("prompt_tokens",), ("completion_tokens",), identity=("id",),
           select=(Condition("run_type", "=", "llm", "runs that sum up others, or ask no model"),
                   Condition("status", "!=", "error", "requests that failed")), skip_failed=True,
           source="https://docs.langchain.com/langsmith/export-traces"),
    Preset("cloudflare", "Cloudflare AI Gateway logs",
           ("created_at", "tokens_in", "tokens_out", "success", "cached", "custom_cost|request_content_type|model_type|path"),
           ("created_at",), ("tokens_in",), ("tokens_out",), identity=("id",),
           select=(Condition("success", "!=", "false", "requests that failed"),
                   Condition("cached", "!=", "true", "answers from the gateway's cache (--from log keeps them)")), skip_failed=True,
           source="https://developers.cloudflare.com/ai-gateway/observability/logging/"),
    Preset("bedrock", "Amazon Bedrock's log of invocations", ("timestamp", "input.inputTokenCount", "output.outputTokenCount"),
           ("timestamp",), ("input.inputTokenCount",), ("output.outputTokenCount",), identity=("requestId",),
           tenant=("identity.arn",), skip_failed=True,
           source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html"),
    Preset("otel", "OpenTelemetry spans of GenAI (OTLP/JSON, Jaeger, flat)",
           ("|".join(_OTEL_NESTED), "startTimeUnixNano|start_time_unix_nano|start_time|startTime|Timestamp|timestamp"),
           ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "Timestamp", "timestamp"),
           _OTEL_NESTED, _OTEL_NESTED_OUT, identity=("spanId", "spanID", "span_id", "SpanId", "context.span_id"),
           select=tuple(Condition(f"{a}.gen_ai.operation.name", "!=", "invoke_agent", "spans of agents, which sum up others")
                        for a in _OTEL_AT), skip_failed=True,
           source="https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/"),
    Preset("envoy", "Envoy AI Gateway access log", ("|".join(_OTEL_IN), "|".join(_OTEL_OUT), "start_time|timestamp"),
           ("start_time", "timestamp"), _OTEL_IN, _OTEL_OUT, identity=("x-request-id", "request_id"),
           select=_failed("response_code", "<", "400"), skip_failed=True,
           source="https://aigateway.envoyproxy.io/docs/capabilities/observability/accesslogs"),
    Preset("envoy-genai", "Envoy AI Gateway access log, until 2025", ("genai_tokens_input|llm_input_token", "genai_tokens_output|llm_output_token"),
           ("start_time", "timestamp"), ("genai_tokens_input", "llm_input_token"), ("genai_tokens_output", "llm_output_token"),
           identity=("x-request-id", "request_id"), select=_failed("response_code", "<", "400"), skip_failed=True,
           source="https://aigateway.envoyproxy.io/docs/capabilities/observability/accesslogs"),
    Preset("higress", "Higress access log", ("input_token", "output_token", "start_time"),
           ("start_time",), ("input_token",), ("output_token",), identity=("request_id",),
           select=_failed("response_code", "<", "400"), skip_failed=True,
           source="https://github.com/alibaba/higress/tree/main/plugins/wasm-go/extensions/ai-statistics"),
    Preset("azure-gateway", "Azure API Management and Azure OpenAI logs",
           ("TimeGenerated [UTC]|timestamp [UTC]|TimeGenerated|timestamp|time",
            "PromptTokens|promptTokens|input_tokens|prompt_tokens|properties.promptTokens|properties.PromptTokens",
            "CompletionTokens|completionTokens|output_tokens|completion_tokens|properties.completionTokens|properties.CompletionTokens",
            "TotalTokens|totalTokens|total_tokens|properties.totalTokens|properties.TotalTokens"),
           ("TimeGenerated [UTC]", "timestamp [UTC]", "TimeGenerated", "timestamp", "time"),
           ("PromptTokens", "promptTokens", "input_tokens", "prompt_tokens", "properties.promptTokens", "properties.PromptTokens"),
           ("CompletionTokens", "completionTokens", "output_tokens", "completion_tokens", "properties.completionTokens",
            "properties.CompletionTokens"),
           skip_failed=True,
           source="https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewayllmlog"),
    Preset("kong", "Kong AI Gateway logs",
           ("started_at", "ai.proxy.usage.prompt_tokens|ai.ai-proxy.usage.prompt_tokens", "request|response|latencies"),
           ("started_at",), ("ai.proxy.usage.prompt_tokens", "ai.ai-proxy.usage.prompt_tokens"),
           ("ai.proxy.usage.completion_tokens", "ai.ai-proxy.usage.completion_tokens"), "ms",
           tenant=("consumer.username",), identity=("request.id",), select=_failed("response.status", "<", "400"),
           skip_failed=True, source="https://developer.konghq.com/ai-gateway/ai-audit-log-reference/"),
    Preset("portkey", "Portkey export of logs", ("created_at", "req_units", "res_units"),
           ("created_at",), ("req_units",), ("res_units",), identity=("id",),
           select=_failed("response_status_code", "<", "400"), skip_failed=True,
           source="https://portkey.ai/docs/product/observability/logs-export"),
    Preset("ollama", "Ollama's answers", ("created_at", "prompt_eval_count", "eval_count", "total_duration|done"),
           ("created_at",), ("prompt_eval_count",), ("eval_count",), took="total_duration", skip_failed=True,
           source="https://github.com/ollama/ollama/blob/main/docs/api.md"),
    Preset("burstgpt", "BurstGPT", ("Timestamp", "Request tokens", "Response tokens"),
           ("Timestamp",), ("Request tokens",), ("Response tokens",), "s", skip_failed=True,
           source="https://github.com/HPMLL/BurstGPT"),
    Preset("azure-trace", "Azure LLM inference traces 2023 and 2024", ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
           ("TIMESTAMP",), ("ContextTokens",), ("GeneratedTokens",),
           source="https://github.com/Azure/AzurePublicDataset"),
    Preset("qwen-bailian", "Qwen-Bailian", ("chat_id", "timestamp", "input_length", "output_length"),
           ("timestamp",), ("input_length",), ("output_length",), "s", block_tokens=16,
           prompts={"hash_ids": "hash_ids", "chat": "chat_id", "parent": "parent_chat_id", "turn": "turn"},
           source="https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon"),
    Preset("mooncake", "Mooncake, also NVIDIA Dynamo's", ("timestamp", "input_length", "output_length"),
           ("timestamp",), ("input_length",), ("output_length",), "ms", block_tokens=512, delay_format="ms",
           prompts={"hash_ids": "hash_ids", "session": "session_id", "delay": "delay"},
           source="https://github.com/kvcache-ai/Mooncake"),
    Preset("vidur", "Vidur", ("arrived_at", "num_prefill_tokens", "num_decode_tokens"),
           ("arrived_at",), ("num_prefill_tokens",), ("num_decode_tokens",), "s",
           source="https://github.com/microsoft/vidur"),
    Preset("vidur-lengths", "Vidur, lengths alone",
           ("num_prefill_tokens|request_num_prefill_tokens", "num_decode_tokens|request_num_decode_tokens"),
           (), ("num_prefill_tokens", "request_num_prefill_tokens"), ("num_decode_tokens", "request_num_decode_tokens"),
           source="https://github.com/microsoft/vidur"),
    Preset("blis", "BLIS (inference-sim)", ("arrival_time_us", "input_tokens", "output_tokens"),
           ("arrival_time_us",), ("input_tokens",), ("output_tokens",), "us", identity=("request_id",), select=_failed("status", "=", "ok"),
           source="https://github.com/inference-sim/inference-sim"),
    Preset("llmservingsim", "LLMServingSim", ("arrival_time_ns", "input_toks|input_length", "output_toks|output_length"),
           ("arrival_time_ns",), ("input_toks", "input_length"), ("output_toks", "output_length"), "ns",
           source="https://github.com/casys-kaist/LLMServingSim"),
    Preset("splitwise", "splitwise-sim", ("arrival_timestamp", "prompt_size", "token_size"),
           ("arrival_timestamp",), ("prompt_size",), ("token_size",), "s",
           source="https://github.com/Mutinifni/splitwise-sim"),
    Preset("trtllm-bench", "trtllm-bench's report", ("request_info.avg_input_length", "world_info|performance"),
           lacks="its requests one by one; its --request_json does"),
    Preset("llmperf-summary", "LLMPerf's summary", ("results_number_input_tokens_mean|results_ttft_s_mean|results_ttft_s.mean", "mean_input_tokens"),
           lacks="its requests one by one; its individual_responses.json does"),
    Preset("inference-perf-summary", "inference-perf's summary_lifecycle_metrics.json", ("load_summary", "successes"),
           lacks="its requests one by one; its per_request_lifecycle_metrics.json does"),
    Preset("inference-benchmarker", "Hugging Face inference-benchmarker", ("executor_type", "token_throughput_secs"),
           lacks="its requests one by one, but averages"),
    Preset("llama-bench", "llama-bench of llama.cpp", ("n_prompt|test", "n_gen|test", "avg_ts|t/s"),
           lacks="requests, but the speed of one prompt and of one answer (calibrate reads it)"),
    Preset("llama-batched-bench", "llama-batched-bench of llama.cpp", ("pp|PP", "tg|TG", "pl|B", "n_kv|N_KV"),
           lacks="requests, but the speed of batches (calibrate reads it)"),
    Preset("perf-analyzer", "Triton's perf_analyzer", ("Concurrency|Request Rate", "Inferences/Second"),
           lacks="its requests one by one; its --profile-export-file does"),
    Preset("locust", "Locust's statistics", ("Request Count", "Failure Count", "Requests/s"),
           lacks="its requests one by one, nor their tokens"),
    Preset("locust-history", "Locust's statistics over time", ("User Count", "Total Request Count"),
           lacks="its requests one by one, nor their tokens"),
    Preset("k6", "k6's results", ("metric_name|metric", "metric_value|data.value", "timestamp|data.time"),
           lacks="its requests' tokens, unless a metric of your own counts them"),
    Preset("mlperf", "MLPerf's detailed log", ("key", "value", "time_ms", "namespace"),
           lacks="lengths of prompts and answers"),
    Preset("aiconfigurator", "AIConfigurator's table of configurations", ("isl", "osl", "concurrency", "tokens/s/gpu|tokens/s/user|seq/s"),
           lacks="requests, but what servers are predicted to do (calibrate reads it)"),
    Preset("vllm-latency", "vllm bench latency", ("avg_latency", "latencies"), lacks="requests, but times of one batch"),
    Preset("vllm-throughput", "vllm bench throughput", ("elapsed_time", "num_requests", "tokens_per_second"),
           lacks="its requests one by one, but sums"),
)  # fmt: skip


def first_of(schema: Mapping[str, Any], names: Names, *, in_text: bool = False) -> str | None:
    """The first of some names or paths that the columns have; `in_text`: a path may lead into JSON as text."""
    ways = (False, True) if in_text else (False,)
    return next((name for way in ways for name in names if column_of(schema, name, in_text=way) is not None), None)


def recognised(schema: Mapping[str, Any]) -> Preset | None:
    """The tool whose file has these columns."""
    return next((preset for preset in PRESETS if not lacking(schema, preset)), None)


def lacking(schema: Mapping[str, Any], preset: Preset) -> Names:
    """What tells a tool and these columns have not; `a|b` is either."""
    return tuple(t for t in preset.tell if first_of(schema, tuple(t.split("|")), in_text=preset.in_text) is None)


def of_other_kind(file: str) -> DataError | None:
    """What a file looks like in which `calibrate` misses columns, and what helps; None if it is no known tool's."""
    preset = recognised(schema_of(Path(file), again=False))
    if preset is None or preset.name == "messsim":
        return None
    helps = "of a summary, its averages" if preset.lacks else "messsim import reads it as traffic"
    if preset.name == "guidellm-summary":
        helps = "its benchmarks.json is read"
    return DataError(
        f"looks like {preset.title}; expected a row for each concurrency, with clients, prompt_tokens, output_tokens, and "
        f"ttft_ms or tpot_ms, or a row for each iteration ({helps})",
        file,
    )


def nearest(schema: Mapping[str, Any]) -> tuple[Preset, list[str]] | None:
    """The tool that it is most like, and what it lacks of it; None if it has no more than half.

    Names that any table may have tell no tool: one of its own must be there.
    """
    best: tuple[float, Preset, list[str]] | None = None
    for preset in PRESETS:
        absent = lacking(schema, preset)
        there = [first_of(schema, tuple(t.split("|")), in_text=True) for t in preset.tell if t not in absent]
        share = 1.0 - len(absent) / len(preset.tell)
        if share > 0.5 and set(there) - ANYBODYS and (best is None or share > best[0]):
            best = share, preset, [t.split("|")[0] for t in absent]
    return None if best is None else best[1:]
