"""Results on disk: whole or absent, with what is needed to make them again.

A store is a folder with ``manifest.json``, one file ``shards/NNNNNN.h5`` per block of points, and
``run.log``. Every shard is a netCDF4 file that h5py and xarray read by themselves.
"""

from .files import StoreError, netcdf, npz, write_whole
from .folder import Store
from .merge import merge, put
from .plain import packed, unpacked

__all__ = ["Store", "StoreError", "merge", "netcdf", "npz", "packed", "put", "unpacked", "write_whole"]
