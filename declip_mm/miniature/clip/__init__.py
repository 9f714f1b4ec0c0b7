"""The tiny CLIP: how it is trained and checked."""
