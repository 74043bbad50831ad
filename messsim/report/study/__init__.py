"""Points and replications of a study, for people."""
