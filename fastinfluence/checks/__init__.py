"""`fastinfluence validate` and `fastinfluence diagnose`: checks of a model of one table."""
