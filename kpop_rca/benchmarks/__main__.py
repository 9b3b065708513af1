"""Measures one size in this process; see `kpop_rca.benchmarks.scaling`."""

import sys

from kpop_rca.benchmarks import scaling

scaling.print_measured(sys.argv[1])
