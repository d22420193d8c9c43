"""C functions of maps of textbooks, by their names for `scipy.LowLevelCallable.from_cython`."""

from libc.stdint cimport int64_t

cdef void henon(const double *window, const double *parameters, int64_t phase, double *out) noexcept nogil
cdef void henon_jacobian(const double *window, const double *parameters, int64_t phase, double *out) noexcept nogil
cdef void delayed_logistic(const double *window, const double *parameters, int64_t phase, double *out) noexcept nogil
