"""What windows tell of prompts: in theory by which are the same, in networks by nearest neighbours."""

import numpy as np
import pytest

import dmft
from dmft import Drive, Features, SelfAttention, Start, recall
from dmft.attention.finite.remembering import _information, _of_networks

PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
PROMPTS = [Start.prompt([f"{sign}{role} 0"] * 4) for role in ("output", "value", "query") for sign in ("", "-")]


def test_the_theory_counts_which_windows_are_the_same():
    for beta in (0.5, 3.0):
        model = PAPER.replace(beta=beta)
        found = recall(model, PROMPTS, 803, every=100)
        np.testing.assert_array_equal(found.steps, [4, *range(100, 801, 100)])
        for step, information, correct in zip(found.steps, found.information, found.correct, strict=True):
            windows = [dmft.trajectory(model, int(step), start=p).attention[-4:].ravel() for p in PROMPTS]
            same = np.abs(np.array(windows)[:, None] - np.array(windows)).max(axis=-1) <= 1e-6
            share = same.mean(axis=1)
            assert information == pytest.approx(-np.log(share).mean(), abs=1e-12)
            assert correct == pytest.approx(np.mean(1.0 / (share * 6)), abs=1e-12)
    assert (found.error == 0).all()


def test_a_fixed_point_forgets_and_many_attractors_remember():
    assert recall(PAPER.replace(beta=0.5), PROMPTS, 400, every=400).information[-1] == 0.0
    model = PAPER.replace(beta=3.0)
    theory = recall(model, PROMPTS, 200, every=100)
    attractors = dmft.attractors(model, starts=PROMPTS, n_transient=1_000)
    share = np.bincount(attractors.index) / 6
    assert theory.information[-1] >= -(share * np.log(share)).sum() - 1e-12  # and the phase on cycles
    network = recall(model, PROMPTS, 200, every=100, n_sites=10**8, seed=1)
    apart = np.abs(network.information - theory.information)
    assert (apart < 5.0 * network.error + 0.02).all()
    assert (np.abs(network.correct - theory.correct) < 5.0 * network.correct_error + 1e-12).all()


def test_small_networks_that_forget_have_no_information():
    """Five standard errors; the bias of the table is taken off."""
    found = recall(PAPER.replace(beta=0.5), PROMPTS, 300, every=100, n_sites=99, seed=3)
    assert (np.abs(found.information[1:]) < 5.0 * found.error[1:]).all()
    assert (np.abs(found.correct[1:] - 1 / 6) < 5.0 * found.correct_error[1:]).all()
    again = recall(PAPER.replace(beta=0.5), PROMPTS, 300, every=100, n_sites=99, seed=3, n_threads=2)
    np.testing.assert_array_equal(found.information, again.information)


def test_a_clamped_context_erases_the_prompt():
    model = PAPER.replace(beta=3.0, drive=Drive(["output 1"] * 4 + ["free"] * 4))
    assert recall(model, PROMPTS, 40).information[-1] == 0.0


def test_informations_of_tables():
    assert _information(np.diag([100.0] * 4)) == pytest.approx(np.log(4), abs=1e-12)  # as much as there is, no more
    assert _information(np.full((3, 3), 50.0)) == pytest.approx(-4 / 900, abs=1e-12)


def test_the_information_of_tables_drawn_from_a_law_is_that_of_the_law():
    rng = np.random.default_rng(1)
    for n_prompts, wrong in ((2, 0.5), (2, 0.1), (3, 0.3)):
        law = np.full((n_prompts, n_prompts), wrong / (n_prompts - 1))
        np.fill_diagonal(law, 1 - wrong)
        found = [_information(rng.multinomial(64, law).astype(float)) for _ in range(1_000)]
        sigma = np.std(found) / np.sqrt(len(found))
        expected = (law * np.log(law * n_prompts)).sum() / n_prompts
        assert np.mean(found) == pytest.approx(expected, abs=4 * sigma + 1e-3)  # the bias of second order is left


def test_where_all_replicas_agree_the_error_is_that_of_one_guess():
    prompts, n_replicas = 2, 64
    windows = np.repeat([0.0, 1.0], n_replicas)[:, None] + 1e-3 * np.arange(2 * n_replicas)[:, None] / n_replicas
    tell = _of_networks(prompts, n_replicas)
    information, error, correct, correct_error = tell(windows)
    assert (information, correct, correct_error) == (pytest.approx(np.log(2), abs=1e-12), 1.0, 1 / 128)
    windows[0] = 0.9  # one is told wrongly: the error is continued
    less, its_error, correct, _ = tell(windows)
    assert correct == 1 - 1 / 128
    assert less < np.log(2)
    assert error == pytest.approx(information - less, rel=1e-9)
    assert its_error == pytest.approx(error, rel=0.1)


def test_what_cannot_be_recalled_is_refused():
    for prompts, message in [
        (PROMPTS[:1], "prompts must be two starts or more"),
        ([PROMPTS[0], Start.prompt(["output 0"])], "prompts must have the same number of tokens"),
        ([PROMPTS[0], "output 0"], "prompts must"),
    ]:
        with pytest.raises(ValueError, match=message):
            recall(PAPER, prompts, 8)
    with pytest.raises(ValueError, match="n_steps must be"):
        recall(PAPER, PROMPTS, 3)
