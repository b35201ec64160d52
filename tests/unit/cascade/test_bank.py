"""Flows and size buckets of a bank."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.cascade.bank import Specification, Streams, adjusted, aqueous_flows, bucket_size


@pytest.mark.parametrize(
    ("stages", "size"), [(1, 8), (8, 8), (9, 16), (68, 72), (128, 128), (129, 160), (600, 640)]
)
def test_bucket_holds_the_stages(stages, size):
    assert bucket_size(stages) == size


@pytest.fixture
def streams():
    return Streams(
        organic_flow=np.float64(5.0),
        organic_inlet=np.array([0.0, 1.0]),
        feed_flow=np.array([2.0, 1.0]),
        feed_concentration=np.array([[10.0, 0.0], [0.0, 7.0]]),
        feed_stage=np.array([1, 3]),
        draw_flow=np.array([0.25]),
        draw_stage=np.array([2]),
        recycle=np.zeros(5),
    )


def test_aqueous_flows_add_up_from_the_last_stage_down(streams):
    flows = aqueous_flows(streams, 5)
    np.testing.assert_allclose(flows.leaving, [2.75, 2.75, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(flows.passed, [2.75, 2.75, 0.75, 1.0, 0.0])
    np.testing.assert_allclose(np.asarray(flows.fed)[[1, 3]], [[20.0, 0.0], [0.0, 7.0]])
    assert not np.asarray(flows.fed)[[0, 2, 4]].any()


def test_free_variables_scale_the_flows_they_respond_for(streams):
    response = np.array([[1.0], [0.0], [1.0], [2.0]])
    specification = Specification(
        np.zeros(1, int), np.zeros((1, 2)), np.zeros((1, 2)), 0.0, response
    )
    changed = adjusted(streams, specification, np.array([np.log(2.0)]))
    assert float(changed.organic_flow) == pytest.approx(10.0)
    np.testing.assert_allclose(changed.feed_flow, [2.0, 2.0])
    np.testing.assert_allclose(changed.draw_flow, [1.0])
