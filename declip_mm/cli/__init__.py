"""The command ``declip``."""
