"""Places in S3, where inputs and answers are."""

from __future__ import annotations

from smrt_jupyter import errors


def place(location: str) -> tuple[str, str]:
    """Take a place in S3 apart.

    Parameters
    ----------
    location : str
        ``s3://bucket/key``, or the https form in which the service may write it.

    Returns
    -------
    (str, str)
        The bucket and the key.

    Raises
    ------
    ValidationFailed
        When it is neither.
    """
    if not isinstance(location, str):
        raise errors.ValidationFailed(
            f"A place in S3 must be text, not {type(location).__name__}.", next_step="Write it as `s3://bucket/key`."
        )
    if location.startswith("https://"):
        host, _, path = location.removeprefix("https://").partition("/")
        bucket, dot, _ = host.partition(".s3")
        if dot:
            return bucket, path
        if host.startswith("s3"):
            bucket, _, key = path.partition("/")
            return bucket, key
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not location.startswith("s3://") or not bucket:
        raise errors.ValidationFailed(f"{location!r} is no place in S3.", next_step="Write it as `s3://bucket/key`.")
    return bucket, key


def is_for_want_of_bucket(error: errors.InvokeError) -> bool:
    """Tell a bucket that does not exist from an object.

    Parameters
    ----------
    error : InvokeError
        What S3 answered.

    Returns
    -------
    bool
    """
    return bool(error.response.get("Error", {}).get("Code") == "NoSuchBucket")
