"""Measurements that `instseg benchmark` prints, each beside a named baseline of the same run."""
