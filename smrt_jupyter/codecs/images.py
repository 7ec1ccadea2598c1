"""Images: from a path, bytes, a Pillow image or an array; back as a Pillow image where Pillow is installed."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.codecs.given import cell_writer, given, read_file, refuse_bomb
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import unmasked

if TYPE_CHECKING:
    from types import ModuleType

    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.tables import Table

# Only these are read: Pillow knows formats too that start other programs, such as EPS with Ghostscript.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
_BY_SUBTYPE = {"jpg": "JPEG", "pjpeg": "JPEG", "x-png": "PNG", "x-ms-bmp": "BMP"} | {
    one.lower(): one for one in _FORMATS
}
_ANY = "PNG"  # what `application/x-image` is written as, where the image has no format of its own
_BYTES_A_PIXEL = {"1": 1, "L": 1, "P": 1, "LA": 2, "I;16": 2, "I;16B": 2, "I;16L": 2}
_CHANNELS = (1, 3, 4)


class Image(Codec):
    """``image/*`` and ``application/x-image``.

    Parameters
    ----------
    content_type : str, optional
        Pillow images and arrays are written in the format that it names.

    Examples
    --------
    >>> codec = Image("image/png")
    >>> codec.decode(codec.encode(np.zeros((2, 3), dtype="uint8"))).size
    (3, 2)
    """

    content_types = ("application/x-image", "image/*")

    @property
    def rows_at_once(self) -> int:
        """One: each cell is a request of its own."""
        return 1

    def encode(self, value: object) -> bytes:
        """Take a file's bytes as they are, and write anything else as an image.

        Parameters
        ----------
        value : path, bytes, binary file, Pillow image or ndarray
            A ``str`` is a path. Arrays are of uint8, (height, width) or (height, width, 1, 3 or 4 channels).

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it is no image.
        """
        body = read_file(value) if isinstance(value, str) else given(value)
        if body is not None:
            return body
        if isinstance(value, np.ndarray):
            return self._written(_of_array(unmasked(value)))
        if any(one.__module__ == "PIL.Image" for one in type(value).__mro__):
            return self._written(value)
        raise CodecError(
            f"{type(value).__name__} is no image.", next_step="Pass a path, bytes, a Pillow image or a uint8 array."
        )

    def _written(self, image: Any) -> bytes:
        subtype = self.media_type.essence.rpartition("/")[2]
        if subtype in {"x-image", "*"}:
            form = image.format if image.format in _FORMATS else _ANY
        elif subtype in _BY_SUBTYPE:
            form = _BY_SUBTYPE[subtype]
        else:
            raise CodecError(
                f"{self.media_type.text} is not a format that images are written in here.",
                next_step="Pass the bytes of an image file, or use image/png or image/jpeg.",
            )
        if form == "JPEG" and image.mode not in {"L", "RGB", "CMYK"}:
            image = image.convert("RGB")  # JPEG has no transparency
        out = io.BytesIO()
        try:
            image.save(out, form)
        except (OSError, ValueError) as error:
            raise CodecError(f"The image cannot be written as {form}: {error}.") from error
        return out.getvalue()

    def decode(self, body: bytes) -> Any:
        """Read an image.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        PIL.Image.Image or bytes
            The bytes where Pillow is not installed (``pip install 'smrt-jupyter[image]'``).

        Raises
        ------
        CodecError
            When it is no whole image, or one far larger than its bytes.
        """
        if importlib.util.find_spec("PIL") is None:
            return body
        pillow = _pillow()
        try:
            image = pillow.open(io.BytesIO(body), formats=_FORMATS)
            pixels = image.width * image.height
            refuse_bomb(pixels * _BYTES_A_PIXEL.get(image.mode, 4), body, f"{image.width} x {image.height} pixels")
            image.load()
        except CodecError:
            raise
        except pillow.UnidentifiedImageError as error:  # which itself only tells where the bytes are in memory
            told = f"it begins with {body[:8]!r} and is no whole {', '.join(_FORMATS)}" if body else "it is empty"
            raise CodecError(f"The body is no image that Pillow can read: {told}.") from error
        except Exception as error:  # Pillow's readers raise whatever they stumble over, from struct.error to KeyError
            raise CodecError(f"The body is no image that Pillow can read: {error}.") from error
        return image

    def writer(self, table: Table) -> Writer:
        """Prepare one column of images, bytes or paths, one a request; or an array that is a picture, whole.

        See `Codec.writer`.
        """
        if not isinstance(table.native, np.ndarray) or table.native.dtype != np.uint8:
            return cell_writer(table, self)
        body = self.encode(table.native)

        def write(start: int, stop: int) -> bytes:
            if (start, stop) != (0, len(table)):
                raise CodecError(
                    f"{self.media_type.text} carries a whole picture, not some of its rows.",
                    next_step="`invoke` it: a picture has one answer.",
                )
            return body

        return write


def _of_array(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype != np.uint8:
        raise CodecError(
            f"An array of {array.dtype} is no image; uint8 is.", next_step="Scale it: `(array * 255).astype('uint8')`."
        )
    if array.ndim == 3 and array.shape[2] == 1:  # noqa: PLR2004 - height, width, channels
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS)):  # noqa: PLR2004
        raise CodecError(f"An array of shape {array.shape} is no image; (height, width, 3) is.")
    return _pillow().fromarray(np.ascontiguousarray(array))


def _pillow() -> ModuleType:
    try:
        from PIL import Image as PillowImage
    except ImportError as error:
        raise ImportError("images need Pillow: pip install 'smrt-jupyter[image]'") from error
    return PillowImage
