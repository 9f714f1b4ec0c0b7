"""The ladder's report: intervals and claims."""

import pytest

from declip_mm.miniature.ladder.report import clashes, interval


@pytest.mark.parametrize(
    'freedom, wanted', [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262)]
)
def test_quantiles_of_student(freedom, wanted):
    values = [0.0] * freedom + [1.0]
    found = interval(values, trained=True)['ci95']
    # tables round to three digits
    assert found * len(values) == pytest.approx(wanted, abs=2e-3)


def test_interval():
    found = interval([1.0, 2.0, 6.0], trained=True)
    assert found['mean'] == 3 and found['values'] == [1.0, 2.0, 6.0]
    # deviation sqrt(7), times 4.303 / sqrt(3)
    assert found['ci95'] == pytest.approx(6.573, abs=2e-3)
    assert interval([5.0], trained=False)['ci95'] == 0
    assert interval([5.0], trained=True)['ci95'] is None


def test_claims_are_checked():
    def row(name, mean, half):
        cell = dict(mean=mean, ci95=half, values=[mean])
        return dict(name=name, region_macc=cell, miou=cell)

    apart = [row('original', 5, 0), row('coupled', 20, 2)]
    assert clashes([*apart, row('decoupled', 30, 3)]) == []
    found = clashes([*apart, row('decoupled', 25, 3.1)])
    assert [f.split(':')[0] for f in found] == ['region_macc', 'miou']
    assert 'not above coupled' in found[0]
