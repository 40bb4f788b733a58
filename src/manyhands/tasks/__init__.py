"""Any callable on warm workers, with any result: what joblib's backend and Hyperopt's parallel trials are made of.

    packing (what travels), pools (which are kept) ──▶ pool ──▶ desk     ──▶ an executor
       └──▶ shelf (large arguments), memmaps             └──▶ task, in the workers

A study needs none of this: its objective travels once, and its results are numbers. Workers import this package, so
nothing here is loaded before it is needed.
"""
