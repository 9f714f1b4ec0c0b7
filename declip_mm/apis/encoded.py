"""Features of pictures that were encoded before, taken picture by picture."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ..models.text.embedder import TextEmbedder
from ..models.text.prompts import Prompts, PromptSet
from ..models.zero_shot import EncodedImage
from ..models.zero_shot.encoded import picture_digest
from .devices import check_device
from .images import ReadImage

__all__ = ['KeptFeatures']


class KeptFeatures:
    """What ``declip encode`` has written.

    Args:
        path: Its folder, or the file of the one picture.
        text: Text tower; None takes what the features name.
        prompts: None takes those that the features name.
        device: Where names are compared; None takes a GPU where there is
            one.
    """

    def __init__(
        self,
        path: str,
        text: str | None = None,
        prompts: Prompts | None = None,
        device: str | None = None,
    ) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(
                f'{path} is neither a folder of declip encode nor a file of '
                'it.'
            )
        self.text, self.prompts = text, prompts
        self.device = check_device(device)
        self._found: dict[str, EncodedImage] = {}
        #: By the prompts of the features, which may be of several runs.
        self._sides: dict[PromptSet | None, TextEmbedder] = {}

    def usable(
        self,
        pictures: Iterator[ReadImage],
        fail: Callable[[str, str], None],
    ) -> Iterator[ReadImage]:
        """The pictures that have features; the others are named."""
        for picture in pictures:
            try:
                self._found[picture.name] = self._read(picture)
            except (OSError, ValueError) as error:
                fail(picture.path, str(error))
            else:
                yield picture

    def _read(self, picture: ReadImage) -> EncodedImage:
        file = self.path
        if file.is_dir():
            file = file / f'{picture.name}.safetensors'
        if not file.is_file():
            raise FileNotFoundError(
                f'{picture.path} has no features: {file} is not there. Run '
                'declip encode with it.'
            )
        found = EncodedImage.load(file, self.device)
        if found.picture != picture_digest(picture.image):
            height, width = found.size
            raise ValueError(
                f'{file} was encoded of another picture than {picture.path} '
                f'is now, one of {width} x {height} pixels. Encode it anew, '
                'or give the same --max-side; of pictures with one name '
                'give all, for they are numbered in their order.'
            )
        return found

    def take(self, picture: ReadImage) -> tuple[EncodedImage, TextEmbedder]:
        """Features of a usable picture, and what embeds the names.

        Raises:
            FingerprintError: They are of another model than those before, or
                than the text tower that was given.
        """
        found = self._found.pop(picture.name)
        key = found.prompts if self.prompts is None else None
        if key not in self._sides:
            # one text tower serves them all
            first = next(iter(self._sides.values()), None)
            text = self.text if first is None else first.encoder
            self._sides[key] = found.text_side(text, self.prompts)
        return found, self._sides[key]
