"""Fused scores, and what half precision does to unit vectors."""

import pytest
import torch
from det_model import BASE, NAMES, build, samples

from declip_mm.detection import FViTTextClassifier, fuse_scores, unit


def test_fused_scores_equal_the_formula():
    det, vlm = torch.randn(2, 50, 9, dtype=torch.float64) * 20
    base = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0, 1], dtype=torch.bool)
    alpha, beta = 0.1, 0.8
    s_d, s_v = det.softmax(-1), vlm.softmax(-1)
    wanted = torch.where(
        base,
        s_d ** (1 - alpha) * s_v**alpha,
        s_d ** (1 - beta) * s_v**beta,
    )
    weight = torch.where(base, alpha, beta)
    found = fuse_scores(det, vlm, weight).exp()
    assert (found - wanted).abs().max() < 1e-6
    # a geometric mean, on purpose not normalised again
    assert (found.sum(-1) < 1).all()


def test_scores_too_small_for_float32_stay_ordered():
    det = torch.tensor([[0.0, -150.0, -160.0]])
    found = fuse_scores(det, det, torch.full((3,), 0.5))
    assert found.isfinite().all() and found[0, 1] > found[0, 2]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_a_vector_of_zeros_stays_finite(dtype):
    x = torch.zeros(2, 4, dtype=dtype)
    x[1, 0] = 1e-3
    found = unit(x)
    assert found.dtype == torch.float32
    assert torch.equal(found[0], torch.zeros(4))
    assert found[1, 0] == pytest.approx(1, abs=1e-3)


def test_gradient_at_zero_is_finite():
    x = torch.zeros(1, 4, requires_grad=True)
    unit(x).sum().backward()
    assert x.grad.isfinite().all()


def classifier(**options):
    module = FViTTextClassifier(4, 3, **options)
    module.set_embeddings(torch.eye(4)[:3])
    return module


def test_logits_are_scaled_cosines():
    x = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
    logits = classifier()(x)
    assert torch.allclose(logits, torch.tensor([[30.0, 40.0, 0.0]]))


def test_half_precision_keeps_the_logits():
    x = torch.rand(5, 4)
    module = classifier()
    with torch.autocast('cpu', torch.bfloat16):
        found = module(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, module(x))


def test_transfer_fixes_the_temperature_in_eval_mode_only():
    module = classifier(test_tau=5.0)
    x = torch.rand(1, 4)
    trained = module.train()(x)
    assert torch.allclose(module.eval()(x), trained / 10)


def test_wrong_width_and_missing_names_are_errors():
    module = FViTTextClassifier(4, 3)
    with pytest.raises(RuntimeError, match='set_vocabulary'):
        module(torch.rand(1, 4))
    with pytest.raises(ValueError, match='fc_out_channels'):
        module.set_embeddings(torch.rand(3, 5))
    with pytest.raises(ValueError, match='above 0'):
        FViTTextClassifier(4, 3, tau_det=0)


def test_the_roi_head_fuses_its_two_classifiers():
    """Against the formula, from the parts of a whole model."""
    model = build().eval()
    data = model.data_preprocessor(samples(), False)
    head = model.roi_head
    with torch.no_grad():
        x = model.extract_feat(data['inputs'])
        rois = torch.tensor([[0, 4.0, 4, 30, 30], [1, 10.0, 8, 60, 44]])
        feats = head.bbox_roi_extractor(x[:4], rois)
        det = head.bbox_head(feats)[0].softmax(-1)
        pooled = head.vlm_roi_extractor((x.vlm,), rois).flatten(1)
        text = model.embedder.class_rows(model.vocabulary)
        cosines = torch.nn.functional.normalize(pooled) @ text.t()
        vlm = (45 * cosines).softmax(-1)
        found = head._bbox_forward(x, rois)['cls_score'].exp()
    base = torch.tensor([n in BASE for n in NAMES] + [True])
    share = torch.where(base, 0.1, 0.8)
    assert (found - det ** (1 - share) * vlm**share).abs().max() < 1e-6


def test_bad_exponents_are_refused():
    head = build().roi_head
    with pytest.raises(ValueError, match='fusion_beta'):
        head.set_fusion(0.1, 1.2, 50)
    with pytest.raises(ValueError, match='tau_vlm'):
        head.set_fusion(0.1, 0.8, 0)
