"""Side-by-side measurements: our engine and its peers on the same stages, in one run.

Everything here but `ours` and `sweep` needs only the standard library, because the peers live in an environment of
their own (`benchmarks.environment`) that does not contain the product.
"""
