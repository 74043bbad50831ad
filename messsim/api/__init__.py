"""What `import messsim` offers: the studies as functions, their results, and the tables of a scenario as classes.

Each function is the command of the same name; what it returns shows itself in a notebook, and is a table for Polars,
pandas, and whatever else reads Arrow.
"""
