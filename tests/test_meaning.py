"""What the names of columns in other people's files mean."""

import pytest

from messsim.workload.meaning import by_meaning, meaning_of

NAMES = {
    "arrival_s": "arrival arrival_time arrived_at arrivedAt requestTime request_timestamp start_time StartTime created "
    "createdAt sent_at received_at ts_ms time time_utc log_time TimeGenerated event.timestamp startTimeUnixNano date",
    "prompt_tokens": "prompt_tokens PromptTokens num_prompt_tokens n_input_tokens input_length ISL isl prompt_len "
    "usage.prompt_tokens tokens_in in_tokens context_tokens prefill_tokens inputTokenCount prompts total_input_tokens "
    "gen_ai.usage.input_tokens llm_prompt_tokens prompt_eval_count",
    "output_tokens": "output_tokens completion_tokens GeneratedTokens response_len osl eval_count tokens_out "
    "decode_size candidatesTokenCount answer_tokens out completion_usage total_output_tokens llm_completion_tokens",
    "model": "model model_name modelId llm llm_selected deployment deployment-name request_model engine",
    "satisfied": "satisfied rating score thumbs_up feedback feedback_score label correct accepted grade stars",
    "cost": "cost total_cost cost_usd spend price usd energy_j energy charge_per_request",
    "tenant": "tenant tenant_id user end_user userId customer team_id api_key api_key_alias organisation_id",
    "status": "status http_status code status_code response_status request_status",
}
NONE = (
    "cached_prompt_tokens prompt_audio_tokens reasoning_output_tokens cost_prompt_tokens max_tokens "
    "tokens latency_ms ttft id x prompt_text statuses users_all a.b.c"
)


@pytest.mark.parametrize(("name", "what"), [(n, what) for what, names in NAMES.items() for n in names.split()])
def test_a_name_tells_what_a_column_holds(name, what):
    assert meaning_of(name) == what


@pytest.mark.parametrize("name", NONE.split())
def test_a_name_that_tells_nothing_tells_nothing(name):
    assert meaning_of(name) is None


@pytest.mark.parametrize(
    ("wanted", "names", "expected"),
    [
        ("arrival_s", ["date", "start_time", "arrived_at"], "arrived_at"),  # the surer form goes first
        ("arrival_s", ["date", "start_time"], "start_time"),
        ("arrival_s", ["id", "date"], "date"),
        ("output_tokens", ["completion_tokens", "output_len"], "output_len"),  # of one form, the nearer by letters
        ("prompt_tokens", ["completion_tokens"], None),
        ("prompt_tokens", [], None),
        ("anything", ["anything"], None),
        ("model", ["Model_Name"], "Model_Name"),
    ],
)
def test_the_column_that_means_the_same(wanted, names, expected):
    assert by_meaning(wanted, names) == expected
