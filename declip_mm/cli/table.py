"""What ``declip`` can do: one table of subcommands."""

from typing import NamedTuple

__all__ = ['COMMANDS', 'Command']


class Command(NamedTuple):
    """A subcommand.

    Attributes:
        name: Typed after ``declip``.
        runs: A module of the package with a ``main(argv)``, or a script
            below ``tools/``.
        what: It does, in a line.
        example: A command line that works as it stands.
    """

    name: str
    runs: str
    what: str
    example: str

    @property
    def is_script(self) -> bool:
        return self.runs.endswith('.py')


_WEIGHTS = 'work_dirs/quickstart/declip_tiny.pth'
_REGIONS = 'configs/miniature/region_cls.py'

#: Name and what it runs, what it does, an example.
_TABLE = f"""\
quickstart miniature/quickstart.py
pre-finetune a miniature CLIP and measure it, 5 minutes on 2 cores
declip quickstart

segment declip_mm.cli.segment
name every pixel of pictures, without any toolbox
declip segment PHOTO.jpg --weights {_WEIGHTS} --names cup,pear

encode declip_mm.cli.encode
encode pictures once, to be asked for any names later
declip encode PHOTO.jpg --weights {_WEIGHTS} --out work_dirs/encode

detect demo_det.py
draw boxes of free names with an F-ViT or OV-DQUO detector
declip detect CONFIG CHECKPOINT PHOTO.jpg --names cat,dog

train train.py
pre-finetune a CLIP, or train a detector or segmentor
declip train configs/declip/pretune_dinov2.py

test test.py
measure a checkpoint with a config
declip test {_REGIONS} {_WEIGHTS}

browse analysis_tools/browse_dataset.py
draw what the data set of a config gives
declip browse {_REGIONS}

embed misc/class_embeddings.py
dump, verify or import embeddings of class names
declip embed dump OUT.npz --names cat,dog --model EVA02-B-16 --pretrained FILE

cache misc/cache_teachers.py
compute the outputs of both teachers once, into files
declip cache configs/declip/pretune_dinov2.py --crops crops.npy

inspect model_converters/inspect_checkpoint.py
say what a weight file is
declip inspect {_WEIGHTS}

convert model_converters/convert.py
bring a weight file into another layout
declip convert SOURCE OUT.safetensors --affinity csa --scale rsqrt

export model_converters/export_backbone.py
take the backbone out of a training checkpoint
declip export work_dirs/pretune_dinov2/epoch_6.pth declip.pth

publish model_converters/publish.py
keep what a checkpoint has learnt, under a name with its hash
declip publish work_dirs/pretune_dinov2/epoch_6.pth declip.pth

probe model_converters/probe_scale.py
find the affinity and scale of a file that says neither
declip probe FILE PHOTOS

sweep analysis_tools/region_sweep.py
accuracy over picture sizes
declip sweep {_REGIONS} DeCLIP={_WEIGHTS} --sizes 112 168

benchmark analysis_tools/benchmark.py
measure a training step and dense maps on this machine
declip benchmark --json benchmark.json

figures analysis_tools/vis_affinity.py
draw attention, correlation and parts
declip figures {_REGIONS} DeCLIP={_WEIGHTS} --images PHOTO.jpg

pseudo dataset_converters/pseudo_labels.py
make pseudo labels of unknown objects for OV-DQUO
declip pseudo base configs/miniature/f_vit_coco.py base.json

config misc/print_config.py
print a config with everything it inherits
declip config configs/declip/pretune_dinov2.py
"""


def _command(entry: str) -> Command:
    head, what, example = entry.splitlines()
    return Command(*head.split(), what, example)


COMMANDS = tuple(map(_command, _TABLE.split('\n\n')))
