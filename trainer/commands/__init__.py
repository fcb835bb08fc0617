"""One module a command of `trainer`: its options (`add_arguments`) and what it does (`run`)."""
