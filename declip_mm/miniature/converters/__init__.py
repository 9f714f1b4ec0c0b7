"""The miniature world in the layouts of other data sets."""
