"""The rows of a study by its points: means, intervals, which is cheapest."""
