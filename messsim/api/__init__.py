"""What `import messsim` offers: the studies as functions, their results, and the tables of a scenario as classes.

Each function is the command of the same name; what it returns shows itself in a notebook, and is a table for Polars,
pandas, and whatever else reads Arrow.
"""

__all__ = ["EVERY"]

EVERY = (  # policies that a comparison has unless told otherwise; the others are compared with the first
    *("mess+", "load-aware", "best-single", "static-mix", "random", "threshold", "cascade", "primal-dual", "linucb"),
    "oracle",
)
