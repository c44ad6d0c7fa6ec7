"""`python -m spendstream.cli`, as the services of `spendstream up` are started."""

from spendstream.cli import main

main()
