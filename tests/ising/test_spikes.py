"""Spike trains from event times with decimal edges, and neurons that depend on one another."""

from fractions import Fraction

import numpy as np
import pandas
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from dmft.ising import bin_events, infer, max_likelihood, spike_moments, spike_train

WIDTHS = (".1", ".2", ".05", ".01", ".001", ".3", ".7", "1.1", ".025", "33.3", "1e-9", "7e5")


@pytest.mark.parametrize("width", WIDTHS)
def test_decimal_times_on_edges_fall_in_the_bin_that_begins_there(width):
    edges = range(2, 3_000, 7)
    for k in edges:
        time = float(k * Fraction(width))
        bins = bin_events([[time]], float(width))
        assert bins.shape == (1, k + 1)
        assert np.flatnonzero(bins[0] == 1).tolist() == [k]
        assert bin_events([[]], float(width), duration=time).shape == (1, k)


@pytest.mark.parametrize("width", WIDTHS)
def test_times_in_single_precision_fall_in_their_bin(width):
    """Read from a file of single precision, or multiplied out in it; the width too, or not."""
    for k in range(2, 3_000, 37):
        time = np.float32(float(k * Fraction(width)))
        for width_given in (float(width), np.float32(width)):
            for events in ([[time]], [np.array([time])], np.array([[time]]), [[np.float32(k) * np.float32(width)]]):
                assert bin_events(events, width_given).shape == (1, k + 1)
        assert bin_events([[]], float(width), duration=time).shape == (1, k)
    middle = np.float32(0.95 * float(width))
    assert bin_events([[middle]], float(width)).argmax() == 0


def test_times_beside_an_edge_keep_their_bin():
    for factor, expected in ((1 - 1e-13, 2), (1 + 1e-13, 3)):
        assert bin_events([[0.3 * factor]], 0.1, duration=0.5)[0].argmax() == expected
    # Just before the end, and as near to it as to an edge.
    assert bin_events([[np.nextafter(1.2, 0)]], 0.1, duration=1.2)[0].argmax() == 11
    assert bin_events([[0.0, 0.3, 0.7, 1.1]], 0.1, duration=1.2).nonzero()[1].size == 12


def test_too_many_bins_are_refused():
    with pytest.raises(ValueError, match=r"bin_width must give at most 1e\+12 bins, got inf with 1e-300"):
        bin_events([[1e300]], 1e-300)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.coo_matrix, sparse.lil_array, pandas.DataFrame])
def test_sparse_arrays_and_tables_are_spikes(kind):
    dense = np.random.default_rng(0).integers(0, 2, (3, 50))
    assert_array_equal(spike_train(kind(dense)), spike_train(dense))
    assert_array_equal(infer(kind(dense)).couplings, infer(dense).couplings)


def test_a_sparse_array_that_does_not_fit_is_refused():
    huge = sparse.coo_array(([1], ([0], [5])), shape=(2, 10**12))
    with pytest.raises(MemoryError, match=r"spikes of shape \(2, 1000000000000\) would take"):
        spike_train(huge)


def test_bools_are_spikes_and_masks_are_not():
    assert spike_train(np.array([[True, False, True]])).tolist() == [[1, -1, 1]]
    assert spike_train([[True, False]]).tolist() == [[1, -1]]
    masked = np.ma.array([[0, 1, 1]], mask=[[0, 1, 0]])
    for spikes in (masked, list(masked), [masked[0], [1, 0, 1]]):
        with pytest.raises(ValueError, match="spikes must have no mask"):
            spike_train(spikes)
    with pytest.raises(ValueError, match=r"events\[1\] must have no mask"):
        bin_events([[0.1], np.ma.array([0.1, 0.2], mask=[0, 1])], 0.1)


def dependent(kind):
    """Return spikes with dependent neurons, and which."""
    spins = 2 * np.random.default_rng(5).integers(0, 2, (6, 3_000)) - 1
    if kind == "copy":
        spins[4] = spins[1]
        return spins, "1, 4"
    if kind == "negative":
        spins[5] = -spins[2]
        return spins, "2, 5"
    return 2 * np.random.default_rng(5).integers(0, 2, (40, 41)) - 1, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 30 more"


@pytest.mark.parametrize("kind", ["copy", "negative", "few bins"])
@pytest.mark.parametrize("method", ["plefka_t1", "gaussian", "conditional", "max_likelihood"])
def test_dependent_neurons_are_named(kind, method):
    spikes, names = dependent(kind)

    def inferred(**options):
        return max_likelihood(spikes, **options) if method == "max_likelihood" else infer(spikes, method, **options)

    with pytest.raises(ValueError, match=rf"data must have an invertible C .* condition number .* neurons {names} are"):
        inferred()
    if kind != "few bins" and method != "conditional":
        assert np.isfinite(inferred(ridge=0.1).couplings).all()


def test_names_are_those_of_all_neurons_where_silent_ones_are_dropped():
    spikes, _ = dependent("copy")
    spikes[0] = -1
    with pytest.raises(ValueError, match="neurons 1, 4 are"):
        infer(spikes, silent="drop")


def test_without_an_inverse_only_the_errors_are_infinite():
    spikes, _ = dependent("copy")
    result = infer(spikes, "naive")
    assert np.isfinite(result.couplings).all()
    assert np.isinf(result.stderr[:, [1, 4]]).all()
    assert np.isfinite(np.delete(result.stderr, [1, 4], axis=1)).all()


def test_strong_correlations_are_not_refused():
    rng = np.random.default_rng(1)
    spikes = rng.integers(0, 2, (5, 4_000))
    spikes[4] = np.where(rng.random(4_000) < 0.002, 1 - spikes[1], spikes[1])
    assert np.isfinite(infer(spikes).stderr).all()


@pytest.mark.parametrize("n_bins", [2, 99, 100, 1_001])
def test_moments_of_long_trains_are_summed_in_pieces_to_the_same_bits(monkeypatch, n_bins):
    train = np.random.default_rng(n_bins).integers(2, size=(7, n_bins))
    whole = spike_moments(train)
    monkeypatch.setattr("dmft.ising.spikes._PRODUCTS", 7 * 7 * 10)
    pieces = spike_moments(train)
    for name in ("m", "C", "D", "C_before"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
