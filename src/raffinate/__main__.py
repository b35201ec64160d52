"""`python -m raffinate`: the command line."""

from raffinate.cli.main import main

main()
