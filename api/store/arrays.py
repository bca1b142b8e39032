"""Arrays as compressed bytes that come back bit for bit, NaN payloads included."""

import zlib

import numpy as np

LEVEL = 1


def pack_matrix(matrix: np.ndarray) -> bytes:
    """A float64 array of any shape; stored column by column, since an enterprise's columns hold one value each."""
    return zlib.compress(np.ascontiguousarray(matrix.T, dtype="<f8").tobytes(), LEVEL)


def unpack_matrix(packed: bytes, columns: int) -> np.ndarray:
    """float64 [n, columns]."""
    return np.frombuffer(zlib.decompress(packed), dtype="<f8").reshape(columns, -1).T


def pack_vector(vector: np.ndarray) -> bytes:
    """float64 [n]."""
    return pack_matrix(vector)


def unpack_vector(packed: bytes) -> np.ndarray:
    """float64 [n]."""
    return np.frombuffer(zlib.decompress(packed), dtype="<f8")


def pack_text(text: str) -> bytes:
    """A long text."""
    return zlib.compress(text.encode(), LEVEL)


def unpack_text(packed: bytes) -> str:
    """The text."""
    return zlib.decompress(packed).decode()


def pack_ids(ids: list[str]) -> bytes:
    """Ids hold no control characters, so a line each is safe."""
    return zlib.compress("\n".join(ids).encode(), LEVEL)


def unpack_ids(packed: bytes) -> list[str]:
    """The ids in their order."""
    text = zlib.decompress(packed).decode()
    return text.split("\n") if text else []
