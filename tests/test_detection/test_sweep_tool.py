"""sweep_fusion.py knows what it will measure against before its long pass."""

import os

import pytest
from tool_modules import load_tool

from declip_mm.apis import OptionError

TOOL = load_tool('analysis_tools/sweep_fusion.py')


@pytest.mark.parametrize(
    'evaluator',
    [
        dict(type='OVCocoMetric', ann_file='a.json'),
        [dict(type='OVCocoMetric', ann_file='a.json')],
        [dict(type='Dump'), dict(type='OVCocoMetric', ann_file='a.json')],
    ],
)
def test_annotations_of_one_metric_or_several(evaluator):
    assert TOOL.truth_of(evaluator) == os.path.abspath('a.json')


@pytest.mark.parametrize('evaluator', [None, [], dict(type='Dump')])
def test_no_annotations_are_refused(evaluator):
    with pytest.raises(OptionError, match='no metric of test_evaluator'):
        TOOL.truth_of(evaluator)
