"""Pseudo labels of unknown objects for OV-DQUO, from base annotations."""
