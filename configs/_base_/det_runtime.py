# Detection: mmdet's scope, its visualisation, and our parts for it.
_base_ = './default_runtime.py'
custom_imports = dict(imports=['declip_mm', 'declip_mm.detection'])
default_scope = 'mmdet'
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
visualizer = dict(type='DetLocalVisualizer')
