"""How fast it is: the fast path against the released code's procedure, and where a GPU's time and memory go."""
