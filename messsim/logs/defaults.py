"""What a scenario begins with where nobody says otherwise; the help of `init` reads it too, so it loads nothing."""

__all__ = ["DEFAULT_MODELS", "DEFAULT_RATE_RPS"]

DEFAULT_MODELS = ("Llama-3.1-8B", "Llama-3.1-70B")
DEFAULT_RATE_RPS = 20.0  # a replica that serves few requests at once costs nearly as much, and no router pays
