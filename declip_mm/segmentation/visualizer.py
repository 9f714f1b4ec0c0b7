"""mmseg's visualizer, with a legend that is right after a new vocabulary."""

import mmcv
import numpy as np
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from ..visualization.overlay import beside, draw_overlay

__all__ = ['OVSegVisualizer']


@VISUALIZERS.register_module()
class OVSegVisualizer(SegLocalVisualizer):
    """Draws class maps with a legend beside them.

    Names and colours are those of the sample, which a segmentor with an open
    vocabulary writes into it, else those of the data set. Truth is drawn
    left of the prediction.

    Args:
        kwargs: See mmseg's ``SegLocalVisualizer``.
    """

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: SegDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        with_labels: bool | None = True,
        with_image: bool | None = False,
    ) -> None:
        """Draw and save one picture (H, W, 3), RGB.

        See mmseg's ``SegLocalVisualizer.add_datasample``; without
        ``with_labels`` the legend is left out.
        """
        drawn = []
        wanted = dict(gt_sem_seg=draw_gt, pred_sem_seg=draw_pred)
        titles = dict(gt_sem_seg='truth', pred_sem_seg='prediction')
        for field, title in titles.items():
            if not wanted[field] or field not in (data_sample or ()):
                continue
            labels = data_sample.get(field).data[0].cpu().numpy()
            classes, palette = self._names_of(data_sample)
            panel = draw_overlay(
                image,
                labels,
                classes,
                palette,
                alpha=self.alpha,
                title=title,
                legend=bool(with_labels),
            )
            drawn.append(panel)
        if with_image or not drawn:
            drawn.insert(0, image)
        picture = beside(drawn)
        self.set_image(picture)
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(mmcv.rgb2bgr(picture), out_file)
        else:
            self.add_image(name, picture, step)

    def _names_of(self, sample: SegDataSample) -> tuple:
        meta = sample.metainfo
        if not meta.get('classes'):
            meta = self.dataset_meta
        return meta['classes'], meta['palette']
