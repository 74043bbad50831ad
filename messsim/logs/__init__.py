"""What others wrote down: traces of requests, outcomes of models, and logs of decisions, replayed."""
