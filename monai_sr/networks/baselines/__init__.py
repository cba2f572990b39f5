"""The systems that the field compares against; each fulfils the generator contract, and none knows another."""
