# Segmentation: mmseg's names first, then our parts and visualisation.
_base_ = './default_runtime.py'
custom_imports = dict(imports=['declip_mm', 'declip_mm.segmentation'])
default_scope = 'mmseg'
default_hooks = dict(visualization=dict(type='SegVisualizationHook'))
visualizer = dict(type='OVSegVisualizer', alpha=0.55)
