"""``tensor/pt``: a PyTorch tensor, which the SageMaker SDK sends as the npy file of its numbers, never as a pickle."""

from __future__ import annotations

from smrt_jupyter.codecs.numpy import Npy
from smrt_jupyter.errors import CodecError


class TorchTensor(Npy):
    """A tensor there, an array back (``torch.from_numpy`` makes it a tensor); PyTorch itself is not needed here.

    Examples
    --------
    >>> TorchTensor().decode(TorchTensor().encode([[1.5, 2.0]]))
    array([[1.5, 2. ]])
    """

    content_types = ("tensor/pt",)

    def encode(self, value: object) -> bytes:
        """Write a tensor, or whatever npy takes.

        Parameters
        ----------
        value : torch.Tensor, ndarray, table or list

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            For a tensor that NumPy has no type for, such as bfloat16.
        """
        if any(one.__module__.partition(".")[0] == "torch" for one in type(value).__mro__):
            try:
                value = value.detach().cpu().numpy()  # type: ignore[attr-defined] # a tensor's own methods
            except (TypeError, RuntimeError) as error:
                step = "Convert it: `.float()`."
                raise CodecError(f"The tensor has no NumPy form: {error}.", next_step=step) from error
        return super().encode(value)
