"""Loops over pixels, compiled by numba: a decorator for them."""

from numba import njit

# Kept on disk between runs; other threads run meanwhile; division by zero gives infinity, as in numpy.
compiled = njit(cache=True, nogil=True, error_model="numpy")
