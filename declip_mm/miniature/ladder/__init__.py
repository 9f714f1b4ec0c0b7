"""The paper's tables in miniature."""
