"""Results on disk: files that are complete or absent, with all that is needed to compute them again.

A store is a folder with ``manifest.json``, one file ``shards/NNNNNN.h5`` per block of points, and
``run.log``. Every shard is a netCDF4 file that h5py and xarray read by themselves.
"""

from .assembly import merge, put
from .files import StoreError, netcdf, npz, write_whole
from .folder import Store
from .plain import packed, unpacked

__all__ = ["Store", "StoreError", "merge", "netcdf", "npz", "packed", "put", "unpacked", "write_whole"]
