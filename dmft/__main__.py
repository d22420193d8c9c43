"""``python -m dmft``, which MPI needs: ``mpiexec -n 8 python -m mpi4py -m dmft run FILE``."""

from .cli import main

main(prog_name="dmft")
