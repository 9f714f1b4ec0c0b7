"""Which parameters the optimiser is told about, and in how many groups."""

from typing import Any

import torch.nn as nn
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch.optim import Optimizer

from ..deprecation import todays_part

__all__ = ['TrainableConstructor']

#: Optimisers of torch that update all parameters in one kernel on a GPU.
_FUSED = ('Adam', 'AdamW')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, quiet and quick.

    The default warns of every frozen tensor, hundreds of lines for two
    teachers: modules that are frozen as a whole are passed over. It also
    makes a group of every parameter, and an optimiser works off its groups
    one by one: parameters with equal settings share one here. On a GPU Adam
    and AdamW are fused, unless ``optimizer.fused`` says otherwise. All its
    options (``paramwise_cfg``) work as they do there, and an optimiser's
    state that was saved with a group for every parameter still loads.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        # mmengine would not say that an old key has met no parameter
        inner = getattr(model, 'module', model)
        keys = self.paramwise_cfg.get('custom_keys', {})
        self.paramwise_cfg['custom_keys'] = {
            todays_part(inner, key, 'custom_keys'): value
            for key, value in keys.items()
        }
        if self.optimizer_cfg.get('type') in _FUSED and _on_gpu(model):
            self.optimizer_cfg.setdefault('fused', True)
        self._places: list[int] = []
        wrapper = super().__call__(model)
        places = self._places

        def fit(optimizer: Optimizer, state: dict) -> dict:
            state = _merged_state(state, places, optimizer)
            return _own_kernel(state, optimizer)

        wrapper.optimizer.register_load_state_dict_pre_hook(fit)
        return wrapper

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        if any(p.requires_grad for p in module.parameters()):
            super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:  # the model itself: all are there
            params[:], self._places = _merge(params)


def _on_gpu(model: nn.Module) -> bool:
    trained = [p for p in model.parameters() if p.requires_grad]
    return bool(trained) and all(p.is_cuda for p in trained)


def _merge(groups: list[dict]) -> tuple[list[dict], list[int]]:
    """Groups with equal settings as one, in the order of their first.

    Returns:
        The groups, and for every parameter in their order its place in
        ``groups``, each of which has one.
    """
    merged: list[tuple[dict, dict, list[int]]] = []
    for place, group in enumerate(groups):
        settings = {k: v for k, v in group.items() if k != 'params'}
        for known, whole, places in merged:
            if known == settings:
                whole['params'].extend(group['params'])
                places.append(place)
                break
        else:
            whole = dict(settings, params=list(group['params']))
            merged.append((settings, whole, [place]))
    places = [place for *_, part in merged for place in part]
    return [whole for _, whole, _ in merged], places


def _merged_state(
    state: dict[str, Any], places: list[int], optimizer: Optimizer
) -> dict[str, Any]:
    """A state with a group for every parameter, in the optimiser's groups.

    Any other is returned as it is: the optimiser judges it itself.
    """
    groups, ours = state['param_groups'], optimizer.param_groups
    single = all(len(group['params']) == 1 for group in groups)
    if not single or len(groups) != len(places) or len(groups) == len(ours):
        return state
    olds = [groups[place] for place in places]
    found = {
        new: state['state'][old['params'][0]]
        for new, old in enumerate(olds)
        if old['params'][0] in state['state']
    }
    merged, start = [], 0
    for group in ours:
        end = start + len(group['params'])
        merged.append(dict(olds[start], params=list(range(start, end))))
        start = end
    return dict(state, state=found, param_groups=merged)


def _own_kernel(state: dict[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Fused or not is a matter of the device, not of the checkpoint."""
    if 'fused' not in optimizer.defaults:
        return state
    own = dict(fused=optimizer.defaults['fused'])
    groups = [{**group, **own} for group in state['param_groups']]
    return dict(state, param_groups=groups)
