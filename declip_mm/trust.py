"""The words by which a user lets the code in a file run.

Apart from the reader, which needs torch: every command line names them.
"""

__all__ = ['TRUST']

#: What a user has to write to have a file's pickled code run.
TRUST = 'i-trust-this-file'
