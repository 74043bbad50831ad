"""What tables of outcomes usually call their columns, the surest names first."""

__all__ = ["COST", "COSTS_OF", "MODEL", "NUMBERING", "OUTPUT_TOKENS", "PROMPT", "PROMPT_TOKENS", "SCORE"]

PROMPT = ("doc_id", "prompt_id", "question_id", "sample_id", "instance_id", "query_id", "global index", "global_index",
          "key", "id", "testIdx", "prompt", "query", "question", "index", "task_id")  # fmt: skip
NUMBERING = ("index", "key")  # of these names, those that may number rows instead
MODEL = ("model", "model_name", "llm_selected", "model_id", "llm", "provider.id")
SCORE = (
    "score",
    "label",
    "performance",
    "accuracy",
    "correct",
    "is_correct",
    "resolved",
    "rating",
    "acc",
    "exact_match",
    "evaluation_result.score",
    "satisfied",
    "stars",
    "feedback",
    "thumbs",
    "grade",
    "verdict",
    "pass@1",
    "plus_status",
    "base_status",
    "passed",
    "follow_all_instructions",
)
COST = ("cost", "total_cost", "spend", "cost_usd", "evaluation_result.inference_cost")
PROMPT_TOKENS = ("prompt_tokens", "input_tokens", "num_input_tokens", "token_usage.input_tokens", "usage.prompt_tokens",
                 "generated_result.token_usage.input_tokens")  # fmt: skip
OUTPUT_TOKENS = ("output_tokens", "completion_tokens", "num_output_tokens", "token_usage.output_tokens",
                 "usage.completion_tokens", "response_tokens",
                 "generated_result.token_usage.output_tokens")  # fmt: skip
COSTS_OF = ("{model}|total_cost", "cost__{model}", "{model}.cost", "{model}_cost")
