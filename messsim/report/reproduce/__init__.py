"""The paper's experiments beside what it published, for people."""
