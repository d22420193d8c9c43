"""Results on disk: files that are complete or absent, with all that is needed to compute them again.

A store is a folder with ``manifest.json``, one file ``shards/NNNNNN.h5`` per block of points, and
``run.log``. Every shard is a netCDF4 file that h5py and xarray read by themselves. Every file is checked
before it is used, and no link is followed.
"""

from .assembly import merge, put
from .errors import StoreError
from .folder import Store
from .netcdf4 import netcdf, npz
from .plain import packed, unpacked
from .whole import write_whole

__all__ = ["Store", "StoreError", "merge", "netcdf", "npz", "packed", "put", "unpacked", "write_whole"]
