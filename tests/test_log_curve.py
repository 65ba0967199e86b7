"""The curve that scene-linear pictures are worked on through."""

import numpy as np
import pytest

from cleanplate.imaging.log_curve import NO_VALUE, decode, encode, fill_values, from_codes, to_codes

HALVES = np.arange(65536, dtype=np.uint16).view(np.float16)
FINITE = HALVES[np.isfinite(HALVES)]


def test_it_is_acescct_where_pictures_are() -> None:
    """Values of the Academy's S-2016-001, and of the tables that others publish of it."""
    known = {0.0: 0.0729055341958355, 0.18: 0.4135884024924423, 1.0: 0.5547945205479452, 2**-7: 0.1552511415525114}
    held = encode(np.array(list(known)))
    np.testing.assert_allclose(held, list(known.values()), rtol=1e-6)
    np.testing.assert_allclose(np.diff(encode(np.array([1, 2, 4, 8, 16], np.float32))), 1 / 17.52, rtol=1e-5)


def test_it_is_undone_for_every_finite_float() -> None:
    sizes = np.exp2(np.linspace(-20, 127.9, 5000))
    values = np.concatenate([-sizes, [0], sizes]).astype(np.float32)
    held = encode(values)
    assert held.min() >= 0
    assert held.max() <= 1
    assert (np.diff(encode(np.sort(values))) >= 0).all(), "what is brighter stays so"
    in_pictures = np.abs(values) < 66
    np.testing.assert_allclose(decode(held)[in_pictures], values[in_pictures], rtol=2e-4, atol=1e-7)
    beyond = ~in_pictures & (np.abs(values) < 65504)  # where values are squeezed, to a fifth of a stop
    np.testing.assert_allclose(np.log2(decode(held)[beyond] / values[beyond]), 0, atol=0.2)


def test_codes_of_16_bits_are_finer_than_halves() -> None:
    usual = FINITE[(np.abs(FINITE) >= 2**-7) & (np.abs(FINITE) < 66) & (FINITE > 0)]
    again = from_codes(to_codes(usual)).astype(np.float16)
    steps = np.abs(again.view(np.int16).astype(int) - usual.view(np.int16).astype(int))
    assert steps.max() <= 1
    assert (to_codes(FINITE) != NO_VALUE).all()
    np.testing.assert_array_equal(to_codes(FINITE), to_codes(FINITE.astype(np.float32)))


def test_what_is_no_number_has_a_code_of_its_own() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0, -3e38, 3e38], np.float32)
    for linear in (values, values[:4].astype(np.float16)):
        np.testing.assert_array_equal(to_codes(linear) == NO_VALUE, ~np.isfinite(linear))
    assert np.isfinite(from_codes(np.arange(65536, dtype=np.uint16))).all()


def test_a_fill_goes_beyond_the_bends_only_as_far_as_the_frame() -> None:
    source = to_codes(np.full((4, 4, 3), 0.5, np.float32))
    changed = np.zeros((4, 4), bool)
    changed[1:3, 1:3] = True
    source[changed] = to_codes(np.array([60000], np.float32))  # what is hidden says nothing
    filled = source.copy()
    filled[1, 1], filled[1, 2], filled[2, 1], filled[2, 2] = 0, 20, 65000, to_codes(np.array([5], np.float32))[0]
    values = fill_values(filled, source, changed)
    assert values[:2].min() == pytest.approx(-0.00407, abs=1e-4), "interpolation went below black"
    assert values[2] == pytest.approx([66.2] * 3, rel=0.01)
    assert values[3] == pytest.approx([5] * 3, rel=1e-3)
    source[0, 0] = to_codes(np.array([9000], np.float32))
    source[0, 1] = to_codes(np.array([-2], np.float32))
    values = fill_values(filled, source, changed)
    assert values[:2].min() == pytest.approx(-2, rel=0.05), "the frame is as dark as that"
    assert values[2].max() == pytest.approx(9000, rel=0.05), "and as bright"
    assert len(fill_values(filled, source, np.ones((4, 4), bool))) == 16
